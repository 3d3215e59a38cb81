/** The cluster of several gateways that share one Redis. */

import { Redis } from 'ioredis'
import type { Clock } from '../shared/clock.ts'
import { GatewayError, messageOf } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import type { Cluster } from './cluster.ts'
import { redisConnectionOptions } from './redis-url.ts'
import { Subscribers } from './subscribers.ts'

export interface RedisClusterOptions {
  /** `redis://` or `rediss://` (TLS), with user, password, host, port and database number where they are needed. */
  readonly url: string
  /** PEM text of the CA of a `rediss://` server; not given: the system's. */
  readonly ca?: string
  /** This gateway's id. */
  readonly gateway: string
  /**
   * Redis keeps the time for all gateways; where this clock runs ahead of the machine's (in tests), counters and values
   * age by the difference too.
   */
  readonly clock: Clock
  readonly log: Log
  /** How often the gateway says that it is alive, and after how long without a word it counts as dead. */
  readonly heartbeatMs?: number
  readonly deadAfterMs?: number
  /** How long a command may take before Redis counts as gone. */
  readonly timeoutMs?: number
}

const PREFIX = 'sallyport:'
const GATEWAYS = `${PREFIX}gateways`
const MAX_RETRY_MS = 2000

// Each script is atomic, and takes the time from Redis: one clock for all gateways.
const NOW = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`

/** KEYS: the counter. ARGV: the clock's lead, time to live. */
const COUNT = `${NOW} + ARGV[1]
local kept = redis.call('HMGET', KEYS[1], 'count', 'until')
local count = 1
if kept[1] and tonumber(kept[2]) > now then count = kept[1] + 1 end
redis.call('HSET', KEYS[1], 'count', count, 'changed', string.format('%.0f', now), 'until', string.format('%.0f', now + ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return count`

/** KEYS: the counter. ARGV: the clock's lead. Gives the count and its age. */
const COUNTED = `${NOW} + ARGV[1]
local kept = redis.call('HMGET', KEYS[1], 'count', 'changed', 'until')
if not kept[1] or tonumber(kept[3]) <= now then return {0, 0} end
return {tonumber(kept[1]), math.max(0, now - kept[2])}`

/** KEYS: the value. ARGV: the clock's lead, time to live, text. */
const REMEMBER = `${NOW} + ARGV[1]
redis.call('HSET', KEYS[1], 'text', ARGV[3], 'until', string.format('%.0f', now + ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])`

/** KEYS: the value. ARGV: the clock's lead. */
const RECALL = `${NOW} + ARGV[1]
local kept = redis.call('HMGET', KEYS[1], 'text', 'until')
if not kept[1] or tonumber(kept[2]) <= now then return false end
return kept[1]`

/** KEYS: the gateways, each with the time at which it counts as dead. ARGV: this gateway, time to live. */
const HEARTBEAT = `${NOW}
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)`

/** KEYS: the gateways. */
const LIVING = `${NOW}
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')`

/**
 * Connects in the background and for ever: while Redis is gone every method throws `CLUSTER_UNAVAILABLE`, and when it is back
 * subscriptions are made again by themselves. Throws `CONFIG_INVALID` for a URL that is not one.
 */
export function createRedisCluster(options: RedisClusterOptions): Cluster {
  const { url, ca, gateway, clock, log } = options
  const { heartbeatMs = 5000, deadAfterMs = 20_000, timeoutMs = 1000 } = options
  const connection = redisConnectionOptions(url, ca)
  const connect = (name: string) =>
    new Redis({
      ...connection,
      connectionName: `sallyport-${name}`,
      connectTimeout: timeoutMs,
      commandTimeout: timeoutMs,
      // A command that cannot be sent now fails now: nobody waits at the gate for a Redis that may never come.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      // Done below, so that `available` becomes true only after it.
      autoResubscribe: false,
      retryStrategy: tries => Math.min(tries * 100, MAX_RETRY_MS) * (0.5 + Math.random() / 2),
    })

  const commands = connect('commands')
  const messages = connect('messages')
  const subscribers = new Subscribers((channel, error) => log.error({ err: error, channel }, 'a subscriber failed'))
  /** When both connections became usable, on the monotonic clock; undefined while they are not. */
  let since: number | undefined
  let commandsReady = false
  let messagesReady = false
  let closed = false

  const firstAttempt = Promise.withResolvers<void>()
  const impatience = setTimeout(firstAttempt.resolve, timeoutMs)
  let toldUnavailable = false

  function lost(error?: unknown): void {
    since = undefined
    firstAttempt.resolve()
    if (closed || toldUnavailable) return
    toldUnavailable = true
    const reason = error === undefined ? 'the connection was lost' : messageOf(error)
    log.error({ redis: connection.host, reason }, 'Redis is gone: new logins are refused until it is back')
  }

  function usable(): void {
    if (!commandsReady || !messagesReady || since !== undefined || closed) return
    since = performance.now()
    firstAttempt.resolve()
    log.info({ redis: connection.host }, 'Redis is reachable')
    toldUnavailable = false
  }

  commands.on('ready', async () => {
    try {
      await commands.eval(HEARTBEAT, 1, GATEWAYS, gateway, deadAfterMs)
      commandsReady = true
      usable()
    } catch (error) {
      distrust(error)
    }
  })
  messages.on('ready', async () => {
    try {
      const channels = subscribers.channels.map(channel => PREFIX + channel)
      if (channels.length > 0) await messages.subscribe(...channels)
      messagesReady = true
      usable()
    } catch (error) {
      distrust(error)
    }
  })
  commands.on('close', () => {
    commandsReady = false
    lost()
  })
  messages.on('close', () => {
    messagesReady = false
    lost()
  })
  for (const redis of [commands, messages]) redis.on('error', lost)
  messages.on('messageBuffer', (channel: Buffer, payload: Buffer) =>
    subscribers.deliver(channel.toString('utf8').slice(PREFIX.length), payload),
  )

  /** After a command without an answer the connections may be dead without knowing it: new ones are made. */
  function distrust(error: unknown): void {
    lost(error)
    if (closed) return
    commands.disconnect(true)
    messages.disconnect(true)
  }

  async function ask<T>(command: () => Promise<T>): Promise<T> {
    await firstAttempt.promise
    if (since === undefined) throw unavailable()
    try {
      return await command()
    } catch (error) {
      // Redis itself answered, so it is there, and yet cannot serve (READONLY, OOM, NOAUTH, ...).
      if ((error as Error).name !== 'ReplyError') distrust(error)
      throw unavailable(error)
    }
  }

  const heartbeat = setInterval(async () => {
    if (since === undefined) return
    await ask(() => Promise.all([commands.eval(HEARTBEAT, 1, GATEWAYS, gateway, deadAfterMs), messages.ping()])).catch(
      error => log.warn({ reason: messageOf(error.cause ?? error) }, 'Redis did not take the heartbeat'),
    )
  }, heartbeatMs)
  heartbeat.unref()

  const lead = () => clock.now() - Date.now()
  const counterKey = (key: string) => `${PREFIX}count:${key}`
  const valueKey = (key: string) => `${PREFIX}value:${key}`

  return {
    gateway,
    get available() {
      return since !== undefined
    },
    count: (key, ttlMs) => ask(async () => Number(await commands.eval(COUNT, 1, counterKey(key), lead(), ttlMs))),
    counted: key =>
      ask(async () => {
        const [count, ageMs] = (await commands.eval(COUNTED, 1, counterKey(key), lead())) as [number, number]
        return { count, ageMs }
      }),
    forget: key => ask(async () => void (await commands.del(counterKey(key), valueKey(key)))),
    remember: (key, value, ttlMs) =>
      ask(async () => void (await commands.eval(REMEMBER, 1, valueKey(key), lead(), ttlMs, value))),
    recall: key =>
      ask(async () => ((await commands.eval(RECALL, 1, valueKey(key), lead())) as string | null) ?? undefined),
    publish(channel, payload) {
      // Copied now: the caller may reuse the buffer, and the bytes leave later.
      const copy = Buffer.from(payload)
      return ask(async () => void (await commands.publish(PREFIX + channel, copy)))
    },
    async subscribe(channel, listener) {
      const own = (payload: Buffer) => listener(payload)
      subscribers.add(channel, own)
      const leave = async () => {
        subscribers.remove(channel, own)
        // Nothing to tell a Redis that is gone: the next connection subscribes only to what is still wanted.
        if (!subscribers.has(channel) && messagesReady) {
          await messages.unsubscribe(PREFIX + channel).catch(() => undefined)
        }
      }
      try {
        await ask(() => messages.subscribe(PREFIX + channel))
      } catch (error) {
        await leave()
        throw error
      }
      return leave
    },
    livingGateways: () =>
      ask(async () => {
        // A peer that lost Redis too may need as long as that to say that it lives.
        if (since === undefined || performance.now() - since < deadAfterMs) return undefined
        return new Set([gateway, ...((await commands.eval(LIVING, 1, GATEWAYS)) as string[])])
      }),
    async close() {
      if (closed) return
      closed = true
      clearInterval(heartbeat)
      clearTimeout(impatience)
      subscribers.clear()
      // The others need not wait to see that this gateway is gone.
      if (commandsReady) await commands.zrem(GATEWAYS, gateway).catch(() => undefined)
      since = undefined
      firstAttempt.resolve()
      commands.disconnect()
      messages.disconnect()
    },
  }
}

/** The cause is only text: ioredis errors carry the command with its arguments, and that of AUTH is the password. */
function unavailable(error?: unknown): GatewayError {
  const cause = error === undefined ? undefined : new Error(messageOf(error))
  return new GatewayError(
    'CLUSTER_UNAVAILABLE',
    'The gateways cannot reach each other (Redis). Try again in a moment.',
    {
      cause,
    },
  )
}
