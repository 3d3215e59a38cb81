/** The cluster of several gateways that share one Redis. */

import type { Clock } from '../shared/clock.ts'
import type { Log } from '../shared/log.ts'
import type { Cluster } from './cluster.ts'
import { RedisConnection } from './redis-connection.ts'
import { COUNT, COUNTED, HEARTBEAT, LIVING, RECALL, REMEMBER } from './redis-scripts.ts'
import { redisConnectionOptions } from './redis-url.ts'
import { Subscribers } from './subscribers.ts'

export interface RedisClusterOptions {
  /** `redis://` or `rediss://` (TLS), with user, password, host, port and database number where they are needed. */
  readonly url: string
  /** PEM text of the CA of a `rediss://` server; not given: the system's. */
  readonly ca?: string
  /** This gateway's id. */
  readonly gateway: string
  /** The ids of its workers that are alive. */
  readonly workers?: ReadonlySet<string>
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

/**
 * Connects in the background and for ever: while Redis is gone methods throw `CLUSTER_UNAVAILABLE`, and when it is back
 * subscriptions are made again by themselves. Throws `CONFIG_INVALID` for a URL that is not one.
 */
export function createRedisCluster(options: RedisClusterOptions): Cluster {
  const { url, ca, gateway, workers = new Set<string>(), clock, log } = options
  const { heartbeatMs = 5000, deadAfterMs = 20_000, timeoutMs = 1000 } = options
  const subscribers = new Subscribers((channel, error) => log.error({ err: error, channel }, 'a subscriber failed'))
  const returnListeners = new Set<() => void>()
  const redis = new RedisConnection({
    connection: redisConnectionOptions(url, ca),
    timeoutMs,
    log,
    channels: () => subscribers.channels.map(channel => PREFIX + channel),
    message: (channel, payload) => subscribers.deliver(channel.slice(PREFIX.length), payload),
    heartbeat: commands =>
      Promise.all([gateway, ...workers].map(id => commands.eval(HEARTBEAT, 1, GATEWAYS, id, deadAfterMs))),
    heartbeatMs,
    returned() {
      for (const listener of [...returnListeners]) {
        try {
          listener()
        } catch (error) {
          log.error({ err: error }, 'a listener for the return of Redis failed')
        }
      }
    },
  })

  const lead = () => clock.now() - Date.now()
  const counterKey = (key: string) => `${PREFIX}count:${key}`
  const valueKey = (key: string) => `${PREFIX}value:${key}`

  return {
    gateway,
    get available() {
      return redis.usable
    },
    count: (key, ttlMs) =>
      redis.ask(async commands => Number(await commands.eval(COUNT, 1, counterKey(key), lead(), Math.ceil(ttlMs)))),
    counted: key =>
      redis.ask(async commands => {
        const [count, ageMs] = (await commands.eval(COUNTED, 1, counterKey(key), lead())) as [number, number]
        return { count, ageMs }
      }),
    forget: key => redis.ask(async commands => void (await commands.del(counterKey(key), valueKey(key)))),
    remember: (key, value, ttlMs) =>
      redis.ask(
        async commands => void (await commands.eval(REMEMBER, 1, valueKey(key), lead(), Math.ceil(ttlMs), value)),
      ),
    recall: key =>
      redis.ask(async commands => {
        const text = (await commands.eval(RECALL, 1, valueKey(key), lead())) as string | null
        return text ?? undefined
      }),
    publish(channel, payload) {
      // Copied now: the caller may reuse the buffer, and the bytes leave later.
      const copy = Buffer.from(payload)
      return redis.ask(async commands => void (await commands.publish(PREFIX + channel, copy)))
    },
    async subscribe(channel, listener) {
      const forget = subscribers.add(channel, listener)
      const leave = async () => {
        forget()
        if (!subscribers.has(channel)) await redis.unsubscribe(PREFIX + channel)
      }
      try {
        await redis.subscribe(PREFIX + channel)
      } catch (error) {
        await leave()
        throw error
      }
      return leave
    },
    onReturn(listener) {
      const own = () => listener()
      returnListeners.add(own)
      return () => void returnListeners.delete(own)
    },
    livingGateways: () =>
      redis.ask(async commands => {
        // A peer that lost Redis too may need as long as that to say that it lives.
        if ((redis.usableForMs ?? 0) < deadAfterMs) return undefined
        return new Set([gateway, ...workers, ...((await commands.eval(LIVING, 1, GATEWAYS)) as string[])])
      }),
    async close() {
      subscribers.clear()
      returnListeners.clear()
      // The others need not wait to see that this gateway is gone.
      await redis.close(commands => commands.zrem(GATEWAYS, gateway, ...workers))
    },
  }
}
