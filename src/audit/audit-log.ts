/** The audit log: appends events to one signed hash chain that all gateways on the store share. */

import { sql } from 'kysely'
import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import type { Signer } from '../shared/cryptography/signer.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import { type AuditRow, type ChainHead, link, type UnlinkedRow } from './chain/chain.ts'
import { type AuditQuery, listEvents } from './chain/list.ts'
import { anyWaiting, type EventOwners, takeOut } from './chain/outbox.ts'
import { toRow } from './chain/row.ts'
import { type AuditVerdict, type VerifyOptions, verifyStore } from './chain/verify.ts'
import { feedSinks } from './copy/feed.ts'
import type { AuditSink } from './copy/sinks.ts'
import type { AuditAppender, AuditEvent } from './event.ts'

export interface AuditLog extends AuditAppender {
  /** Events in the order of the chain: the last `limit` that match, or with `after` the first that match after it. */
  list(query?: AuditQuery): Promise<AuditRow[]>
  /**
   * Changes the store and appends the event that records it, in one transaction. A write that gives false has changed nothing, and is
   * not told. Throws `AUDIT_UNAVAILABLE`, with nothing changed, and what the write throws.
   */
  change<T>(write: (on: Database) => Promise<T>, eventOf: (value: T) => AuditEvent): Promise<T>
  /** Checks the whole chain in the store, against this gateway's key where no other is given. */
  verify(options?: VerifyOptions): Promise<AuditVerdict>
  /** Opens the sinks' files again: after log rotation. */
  reopen(): Promise<void>
  /** Resolves when what was appended is stored and written to the sinks, which are closed then. */
  close(): Promise<void>
}

export interface AuditLogOptions {
  readonly database: Database
  readonly signer: Signer
  /** This gateway's id. */
  readonly gateway: string
  readonly clock: Clock
  readonly sinks?: readonly AuditSink[]
  readonly log?: Log
  /** The chain has grown up to this event. Must return at once. */
  readonly stored?: (seq: number) => void
}

interface Waiting {
  resolve(): void
  reject(error: GatewayError): void
}

interface WaitingEvent extends Waiting {
  readonly event: UnlinkedRow
}

/** Somebody who waits until the outbox is empty; `living` as for `flush`. */
interface WaitingFlush extends Waiting {
  readonly living: ReadonlySet<string> | undefined
}

/** How many events go into one transaction, and how many may wait for one. */
const BATCH = 256
const MAX_WAITING = 10_000
const RETRY_DELAYS_MS = [20, 100, 400]
/** After this long nothing is tried again: somebody waits at the gate. */
const RETRY_WITHIN_MS = 3000

export function createAuditLog(options: AuditLogOptions): AuditLog {
  const { database, signer, gateway, clock, sinks = [], log } = options
  const waiting: WaitingEvent[] = []
  const flushing: WaitingFlush[] = []
  const feed = feedSinks({ database, gateway, sinks, log })
  let writing: Promise<void> | undefined

  /** Everything that arrived while one batch was being stored goes into the next: one commit for all of it. */
  async function writeAll(): Promise<void> {
    while (waiting.length > 0 || flushing.length > 0) {
      const batch = waiting.splice(0, BATCH)
      const flushes = flushing.splice(0)
      try {
        const whose = { gateway, living: flushes.find(({ living }) => living !== undefined)?.living }
        const fromOutbox = flushes.length > 0 && (await anyWaiting(database, whose)) ? whose : undefined
        const events = batch.map(entry => entry.event)
        if (events.length > 0 || fromOutbox !== undefined) {
          const { head, taken } = await store(database, signer, events, fromOutbox)
          options.stored?.(head.seq)
          const adopted = whose.living !== undefined && taken > 0 ? head.seq - events.length - taken + 1 : undefined
          feed.stored(head.seq, adopted)
          // There may be more than one batch of them.
          if (taken === BATCH) flushing.unshift(...flushes.splice(0))
        }
        for (const entry of [...batch, ...flushes]) entry.resolve()
      } catch (cause) {
        const error = new GatewayError('AUDIT_UNAVAILABLE', 'The audit log cannot be written.', { cause })
        // Those behind waited for the same store: they are told now, not each after tries of their own.
        for (const entry of [...batch, ...flushes, ...waiting.splice(0), ...flushing.splice(0)]) entry.reject(error)
      }
    }
    writing = undefined
  }

  function write(): void {
    writing ??= Promise.resolve().then(writeAll)
  }

  return {
    append(event) {
      if (waiting.length >= MAX_WAITING) {
        return Promise.reject(new GatewayError('AUDIT_UNAVAILABLE', 'Too many events wait for the audit log.'))
      }
      return new Promise((resolve, reject) => {
        waiting.push({ event: toRow(event, gateway, clock), resolve, reject })
        write()
      })
    },
    flush: living =>
      new Promise((resolve, reject) => {
        flushing.push({ living, resolve, reject })
        write()
      }),
    async change(write, eventOf) {
      let refused: { error: unknown } | undefined
      try {
        const { value, seq } = await database.transaction().execute(async on => {
          // First, like every other that appends: whoever holds rows and then waits for the chain could wait for ever.
          const before = await lockHead(on)
          const value = await write(on).catch(error => {
            refused = { error }
            throw error
          })
          if (value === false) return { value, seq: undefined }
          const row = link(before, toRow(eventOf(value), gateway, clock), signer)
          await extendChain(on, [row])
          return { value, seq: row.seq }
        })
        if (seq !== undefined) {
          options.stored?.(seq)
          feed.stored(seq)
        }
        return value
      } catch (cause) {
        if (refused !== undefined) throw refused.error
        throw new GatewayError('AUDIT_UNAVAILABLE', 'The audit log cannot be written.', { cause })
      }
    },
    list: query => listEvents(database, query),
    verify: options => verifyStore(database, { publicKeyPem: signer.publicKeyPem, ...options }),
    reopen: () => feed.reopen(),
    async close() {
      await writing
      await feed.close()
    },
  }
}

/**
 * Stores a batch, and what it takes out of the outbox, in one transaction; gives the new end of the chain. The first statement locks
 * the head, so that gateways on one PostgreSQL take turns. A commit whose answer was lost is looked for under that lock before it is
 * tried again: never stored twice.
 */
async function store(
  database: Database,
  signer: Signer,
  events: readonly UnlinkedRow[],
  fromOutbox: EventOwners | undefined,
): Promise<{ head: ChainHead; taken: number }> {
  const begin = performance.now()
  let tried: { last: AuditRow; taken: number } | undefined
  for (let tries = 0; ; tries++) {
    try {
      return await database.transaction().execute(async transaction => {
        let head = await lockHead(transaction)
        if (tried !== undefined) {
          const found = transaction.selectFrom('audit_events').select('hash').where('seq', '=', tried.last.seq)
          if ((await found.executeTakeFirst())?.hash === tried.last.hash) return { head, taken: tried.taken }
        }
        const waited = fromOutbox === undefined ? [] : await takeOut(transaction, fromOutbox, BATCH)
        const rows: AuditRow[] = []
        for (const event of [...waited, ...events]) {
          head = link(head, event, signer)
          rows.push(head as AuditRow)
        }
        const last = rows.at(-1)
        if (last !== undefined) {
          tried = { last, taken: waited.length }
          await extendChain(transaction, rows)
        }
        return { head: { seq: head.seq, hash: head.hash }, taken: waited.length }
      })
    } catch (error) {
      const delay = RETRY_DELAYS_MS[tries]
      if (delay === undefined || performance.now() - begin > RETRY_WITHIN_MS) throw error
      await new Promise(resolve => setTimeout(resolve, delay * (0.5 + Math.random())))
    }
  }
}

/** The end of the chain, which is this transaction's until it ends. */
function lockHead(on: Database): Promise<ChainHead> {
  return on
    .updateTable('audit_head')
    .set({ seq: sql<number>`seq` })
    .where('id', '=', 1)
    .returning(['seq', 'hash'])
    .executeTakeFirstOrThrow()
}

/** Stores linked rows behind the end. */
async function extendChain(on: Database, rows: AuditRow[]): Promise<void> {
  const { seq, hash } = rows.at(-1)!
  await on.insertInto('audit_events').values(rows).execute()
  await on.updateTable('audit_head').set({ seq, hash }).where('id', '=', 1).execute()
}
