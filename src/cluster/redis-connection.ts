/** The two connections to Redis, for commands and for messages: made for ever anew, and told apart into usable and gone. */

import { Redis } from 'ioredis'
import { GatewayError, messageOf } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import { redisConnector } from './redis-connector.ts'
import type { RedisConnectionOptions } from './redis-url.ts'

export interface RedisConnectionParts {
  readonly connection: RedisConnectionOptions
  readonly timeoutMs: number
  readonly log: Log
  /** The channels to subscribe to, asked for at every new connection. */
  channels(): string[]
  message(channel: string, payload: Buffer): void
  /** Says that this gateway is alive; first at every new connection. */
  heartbeat(commands: Redis): Promise<unknown>
  readonly heartbeatMs: number
  /** Both connections are usable again after they were not. */
  returned(): void
}

const MAX_RETRY_MS = 2000

export class RedisConnection {
  readonly #parts: RedisConnectionParts
  readonly #commands: Redis
  readonly #messages: Redis
  readonly #heartbeat: NodeJS.Timeout
  readonly #firstAttempt = Promise.withResolvers<void>()
  readonly #impatience: NodeJS.Timeout
  #commandsReady = false
  #messagesReady = false
  #since: number | undefined
  #usedBefore = false
  #reportedGone = false
  #closed = false

  constructor(parts: RedisConnectionParts) {
    this.#parts = parts
    this.#impatience = setTimeout(this.#firstAttempt.resolve, parts.timeoutMs)
    this.#commands = this.#connect('commands')
    this.#messages = this.#connect('messages')
    this.#commands.on('ready', () =>
      this.#prepare(async () => {
        await parts.heartbeat(this.#commands)
        this.#commandsReady = true
      }),
    )
    this.#messages.on('ready', () =>
      this.#prepare(async () => {
        const channels = parts.channels()
        if (channels.length > 0) await this.#messages.subscribe(...channels)
        this.#messagesReady = true
      }),
    )
    this.#commands.on('close', () => {
      this.#commandsReady = false
      this.#lost()
    })
    this.#messages.on('close', () => {
      this.#messagesReady = false
      this.#lost()
    })
    this.#messages.on('messageBuffer', (channel: Buffer, payload: Buffer) =>
      parts.message(channel.toString('utf8'), payload),
    )
    this.#heartbeat = setInterval(() => void this.#beat(), parts.heartbeatMs).unref()
  }

  get usable(): boolean {
    return this.#since !== undefined
  }

  /** For how long both connections have been usable, in milliseconds; undefined while they are not. */
  get usableForMs(): number | undefined {
    return this.#since === undefined ? undefined : performance.now() - this.#since
  }

  /** Runs a command. Throws `CLUSTER_UNAVAILABLE` when Redis is gone, does not answer in time, or says no. */
  async ask<T>(command: (commands: Redis) => Promise<T>): Promise<T> {
    await this.#firstAttempt.promise
    if (!this.usable) throw unavailable()
    try {
      return await command(this.#commands)
    } catch (error) {
      if (!isAnswer(error)) this.#distrust(error)
      throw unavailable(error)
    }
  }

  /** Subscribes now, or else with the next connection, which asks `channels()`. Throws only when Redis itself says no. */
  async subscribe(channel: string): Promise<void> {
    await this.#firstAttempt.promise
    if (this.#messages.status !== 'ready') return
    try {
      await this.#messages.subscribe(channel)
    } catch (error) {
      if (isAnswer(error)) throw unavailable(error)
      this.#distrust(error)
    }
  }

  /** Nothing to do at a Redis that is gone: the next connection subscribes only to what is still wanted. */
  async unsubscribe(channel: string): Promise<void> {
    if (this.#messages.status === 'ready') await this.#messages.unsubscribe(channel).catch(() => undefined)
  }

  /** `lastCommands` are sent where Redis can still be reached. */
  async close(lastCommands: (commands: Redis) => Promise<unknown>): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#heartbeat)
    clearTimeout(this.#impatience)
    if (this.usable) await lastCommands(this.#commands).catch(() => undefined)
    this.#since = undefined
    this.#firstAttempt.resolve()
    this.#commands.disconnect()
    this.#messages.disconnect()
  }

  #connect(name: string): Redis {
    const { connection, timeoutMs } = this.#parts
    const redis = new Redis({
      ...connection,
      Connector: redisConnector(connection),
      connectionName: `sallyport-${name}`,
      connectTimeout: timeoutMs,
      commandTimeout: timeoutMs,
      // A command that cannot be sent now fails now: nobody waits at the gate for a Redis that may never come.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      // Done here at `ready`, so that the connection counts as usable only after it.
      autoResubscribe: false,
      retryStrategy: tries => Math.min(tries * 100, MAX_RETRY_MS) * (0.5 + Math.random() / 2),
    })
    return redis.on('error', error => this.#lost(error))
  }

  async #prepare(step: () => Promise<void>): Promise<void> {
    try {
      await step()
    } catch (error) {
      return this.#distrust(error)
    }
    if (!this.#commandsReady || !this.#messagesReady || this.usable || this.#closed) return
    this.#since = performance.now()
    this.#reportedGone = false
    this.#firstAttempt.resolve()
    this.#parts.log.info({ redis: this.#parts.connection.host }, 'Redis is reachable')
    if (this.#usedBefore) this.#parts.returned()
    this.#usedBefore = true
  }

  #lost(error?: unknown): void {
    this.#since = undefined
    this.#firstAttempt.resolve()
    if (this.#closed || this.#reportedGone) return
    this.#reportedGone = true
    const reason = error === undefined ? 'the connection was lost' : messageOf(error)
    const { log, connection } = this.#parts
    log.error({ redis: connection.host, reason }, 'Redis is gone: new logins are refused until it is back')
  }

  /** After a command without an answer the connections may be dead without knowing it: new ones are made. */
  #distrust(error: unknown): void {
    if (this.#closed) return
    this.#lost(error)
    this.#commands.disconnect(true)
    this.#messages.disconnect(true)
  }

  async #beat(): Promise<void> {
    if (!this.usable) return
    await this.ask(commands => Promise.all([this.#parts.heartbeat(commands), this.#messages.ping()])).catch(error =>
      this.#parts.log.warn({ reason: messageOf(error.cause ?? error) }, 'Redis did not take the heartbeat'),
    )
  }
}

/** Redis itself said no (READONLY, OOM, NOPERM): it is there, and yet cannot serve. */
function isAnswer(error: unknown): boolean {
  return (error as Error).name === 'ReplyError'
}

/** The cause is only text: ioredis errors carry the command with its arguments, and that of AUTH is the password. */
function unavailable(error?: unknown): GatewayError {
  const cause = error === undefined ? undefined : new Error(messageOf(error))
  return new GatewayError(
    'CLUSTER_UNAVAILABLE',
    'The gateways cannot reach each other (Redis). Try again in a moment.',
    { cause },
  )
}
