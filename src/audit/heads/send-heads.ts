/** Sends heads of the audit chain out, every so many events or minutes. Nothing waits for it: what cannot be sent is sent later. */

import { setTimeout as setTimeoutPromise } from 'node:timers/promises'
import type { Database } from '../../database/database.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Signer } from '../../shared/cryptography/signer.ts'
import { messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Metrics } from '../../shared/metrics.ts'
import { readHead } from '../chain/walk.ts'
import type { Audit } from '../event.ts'
import { type SentHead, signHead } from './head.ts'
import type { HeadDestination } from './head-destinations.ts'

export interface SendHeads {
  /** The chain has grown up to this event. Returns at once. */
  stored(seq: number): void
  /** For how long, in milliseconds, the head that waits longest has not reached its destination; 0 when none waits. */
  overdueMs(): number
  /** Sends the last head, without trying again, and stops. */
  close(): Promise<void>
}

export interface SendHeadsOptions {
  readonly database: Database
  readonly signer: Signer
  readonly gateway: string
  readonly clock: Clock
  readonly everyEvents: number
  readonly everyMs: number
  readonly destinations: readonly HeadDestination[]
  readonly metrics: Pick<Metrics, 'auditHeadsSent' | 'auditHeadsFailed' | 'auditHeadsWaiting' | 'auditHeadSentAt'>
  readonly log: Log
  /** Audits a failure, once for each outage. */
  readonly audit: Audit['append']
}

/** Heads that wait for a destination at most. When there are more the oldest are left out: a later head proves all that is before it. */
const MAX_WAITING = 256
const FIRST_RETRY_MS = 1000
/** A gateway that stops waits so long for a receiver. */
const CLOSE_MS = 3000
const LONGEST_RETRY_MS = 5 * 60_000

export function sendHeads(options: SendHeadsOptions): SendHeads {
  const { database, signer, gateway, clock, everyEvents, everyMs, log } = options
  const outgoing = options.destinations.map(destination => new Outgoing(destination, options))
  let sent: number | undefined
  let reached = 0
  let closed = false
  let making: Promise<void> | undefined

  async function make(): Promise<void> {
    try {
      const head = await readHead(database)
      if (head.seq === 0 || head.seq === sent) return
      const signed = signHead(head, clock.now(), gateway, signer)
      sent = head.seq
      for (const each of outgoing) each.add(signed)
    } catch (error) {
      log.warn({ err: error }, 'the head of the audit log cannot be read; trying again')
    } finally {
      making = undefined
    }
    // What was stored meanwhile.
    if (sent !== undefined && reached - sent >= everyEvents) void makeOne()
  }
  const makeOne = () => {
    making ??= make()
    return making
  }
  const timer = setInterval(() => void makeOne(), everyMs)
  timer.unref()

  return {
    stored(seq) {
      reached = seq
      // The first after a start is sent at once.
      if (!closed && (sent === undefined || seq - sent >= everyEvents)) void makeOne()
    },
    overdueMs: () => Math.max(0, ...outgoing.map(each => each.overdueMs())),
    async close() {
      closed = true
      clearInterval(timer)
      await making
      await makeOne()
      const all = Promise.all(outgoing.map(each => each.close()))
      await Promise.race([all, setTimeoutPromise(CLOSE_MS, undefined, { ref: false })])
    },
  }
}

/** The queue in front of one destination. */
class Outgoing {
  readonly #destination: HeadDestination
  readonly #options: SendHeadsOptions
  readonly #waiting: SentHead[] = []
  #sending: Promise<void> | undefined
  #retry: NodeJS.Timeout | undefined
  #delayMs = FIRST_RETRY_MS
  #failing = false
  #closed = false

  constructor(destination: HeadDestination, options: SendHeadsOptions) {
    this.#destination = destination
    this.#options = options
  }

  add(head: SentHead): void {
    this.#waiting.push(head)
    // The one that is being sent stays where it is.
    if (this.#waiting.length > MAX_WAITING) this.#waiting.splice(1, 1)
    this.#count()
    if (this.#retry === undefined) this.#begin()
  }

  overdueMs(): number {
    const [oldest] = this.#waiting
    return oldest === undefined ? 0 : this.#options.clock.now() - oldest.at
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    this.#begin()
    await this.#sending
  }

  #begin(): void {
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined
    })
  }

  async #send(): Promise<void> {
    const { clock, metrics } = this.#options
    const to = this.#destination.name
    for (let head = this.#waiting[0]; head !== undefined; head = this.#waiting[0]) {
      try {
        await this.#destination.send(head)
      } catch (error) {
        metrics.auditHeadsFailed.inc({ to })
        this.#failed(error)
        return
      }
      this.#waiting.shift()
      this.#count()
      metrics.auditHeadsSent.inc({ to })
      metrics.auditHeadSentAt.set({ to }, clock.now() / 1000)
      this.#succeeded()
    }
  }

  #failed(error: unknown): void {
    const to = this.#destination.name
    const reason = messageOf(error)
    if (!this.#failing) {
      this.#failing = true
      this.#options.log.error({ to, reason }, 'a head of the audit log cannot be sent; trying again')
      this.#audit('audit.head-failed', { to, reason })
    }
    if (this.#closed) return
    const delay = this.#delayMs * (0.75 + Math.random() / 2)
    this.#delayMs = Math.min(2 * this.#delayMs, LONGEST_RETRY_MS)
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      this.#begin()
    }, delay).unref()
  }

  #succeeded(): void {
    this.#delayMs = FIRST_RETRY_MS
    if (!this.#failing) return
    this.#failing = false
    const to = this.#destination.name
    this.#options.log.info({ to }, 'heads of the audit log are sent again')
    this.#audit('audit.head-sent-again', { to })
  }

  #audit(kind: 'audit.head-failed' | 'audit.head-sent-again', data: Record<string, unknown>): void {
    const { audit, log } = this.#options
    audit({ kind, actor: 'gateway', data }).catch(error => log.warn({ err: error }, 'this was not audited'))
  }

  #count(): void {
    this.#options.metrics.auditHeadsWaiting.set({ to: this.#destination.name }, this.#waiting.length)
  }
}
