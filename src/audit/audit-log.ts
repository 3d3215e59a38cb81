/** The audit log: appends events to one signed hash chain that all gateways on the store share. */

import { sql } from 'kysely'
import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import { type AuditRow, type AuditSigner, type ChainHead, link, type UnlinkedRow } from './chain.ts'
import type { Audit, AuditEvent } from './event.ts'
import { feedSinks } from './feed.ts'
import { type AuditQuery, listEvents } from './list.ts'
import type { AuditSink } from './sinks.ts'
import { type AuditVerdict, type VerifyOptions, verifyStore } from './verify.ts'

export interface AuditLog extends Audit {
  /** Events in the order of the chain: the last `limit` that match, or with `after` the first that match after it. */
  list(query?: AuditQuery): Promise<AuditRow[]>
  /** Checks the whole chain in the store, against this gateway's key where no other is given. */
  verify(options?: VerifyOptions): Promise<AuditVerdict>
  /** Opens the sinks' files again: after log rotation. */
  reopen(): Promise<void>
  /** Resolves when what was appended is stored and written to the sinks, which are closed then. */
  close(): Promise<void>
}

export interface AuditLogOptions {
  readonly database: Database
  readonly signer: AuditSigner
  /** This gateway's id. */
  readonly gateway: string
  readonly clock: Clock
  readonly sinks?: readonly AuditSink[]
  readonly log?: Log
  /** The chain has grown up to this event. Must return at once. */
  readonly stored?: (seq: number) => void
}

interface Waiting {
  readonly event: UnlinkedRow
  resolve(): void
  reject(error: GatewayError): void
}

/** How many events go into one transaction, and how many may wait for one. */
const BATCH = 256
const MAX_WAITING = 10_000
const MAX_DATA_LENGTH = 64 * 1024
const RETRY_DELAYS_MS = [20, 100, 400]
/** After this long nothing is tried again: somebody waits at the gate. */
const RETRY_WITHIN_MS = 3000

export function createAuditLog(options: AuditLogOptions): AuditLog {
  const { database, signer, gateway, clock, sinks = [], log } = options
  const waiting: Waiting[] = []
  const feed = feedSinks({ database, gateway, sinks, log })
  let writing: Promise<void> | undefined

  /** Everything that arrived while one batch was being stored goes into the next: one commit for all of it. */
  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.splice(0, BATCH)
      try {
        const last = await store(
          database,
          signer,
          batch.map(entry => entry.event),
        )
        for (const entry of batch) entry.resolve()
        feed.stored(last.seq)
        options.stored?.(last.seq)
      } catch (cause) {
        const error = new GatewayError('AUDIT_UNAVAILABLE', 'The audit log cannot be written.', { cause })
        // Those behind waited for the same store: they are told now, not each after tries of their own.
        for (const entry of [...batch, ...waiting.splice(0)]) entry.reject(error)
      }
    }
    writing = undefined
  }

  return {
    append(event) {
      if (waiting.length >= MAX_WAITING) {
        return Promise.reject(new GatewayError('AUDIT_UNAVAILABLE', 'Too many events wait for the audit log.'))
      }
      return new Promise((resolve, reject) => {
        waiting.push({ event: toRow(event, gateway, clock), resolve, reject })
        writing ??= Promise.resolve().then(writeAll)
      })
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
 * Stores a batch in one transaction; gives the new end of the chain. The first statement locks the head, so that gateways on one
 * PostgreSQL take turns. A commit whose answer was lost is looked for under that lock before it is tried again: never stored twice.
 */
async function store(database: Database, signer: AuditSigner, events: UnlinkedRow[]): Promise<ChainHead> {
  const begin = performance.now()
  let tried: AuditRow | undefined
  for (let tries = 0; ; tries++) {
    try {
      return await database.transaction().execute(async transaction => {
        let head: ChainHead = await transaction
          .updateTable('audit_head')
          .set({ seq: sql<number>`seq` })
          .where('id', '=', 1)
          .returning(['seq', 'hash'])
          .executeTakeFirstOrThrow()
        if (tried !== undefined) {
          const found = transaction.selectFrom('audit_events').select('hash').where('seq', '=', tried.seq)
          if ((await found.executeTakeFirst())?.hash === tried.hash) return head
        }
        const rows: AuditRow[] = []
        for (const event of events) {
          head = link(head, event, signer)
          rows.push(head as AuditRow)
        }
        tried = rows.at(-1)
        await transaction.insertInto('audit_events').values(rows).execute()
        await transaction
          .updateTable('audit_head')
          .set({ seq: head.seq, hash: head.hash })
          .where('id', '=', 1)
          .execute()
        return { seq: head.seq, hash: head.hash }
      })
    } catch (error) {
      const delay = RETRY_DELAYS_MS[tries]
      if (delay === undefined || performance.now() - begin > RETRY_WITHIN_MS) throw error
      await new Promise(resolve => setTimeout(resolve, delay * (0.5 + Math.random())))
    }
  }
}

function toRow({ kind, actor, session, data = {} }: AuditEvent, gateway: string, clock: Clock): UnlinkedRow {
  return {
    at: clock.now(),
    gateway,
    kind,
    // PostgreSQL takes neither NUL nor half a surrogate pair, and a login must not fail to be told for a strange name.
    actor: actor.toWellFormed().replaceAll('\0', '\ufffd'),
    session: session ?? null,
    data: dataText(data),
  }
}

/** JSON text, ASCII-safe where the store could change it, and bounded. `Secret` shows itself as `[secret]`. */
function dataText(data: Record<string, unknown>): string {
  const text = JSON.stringify(data)
  if (text.length <= MAX_DATA_LENGTH) return text
  return JSON.stringify({
    truncated: true,
    length: text.length,
    begin: text.slice(0, MAX_DATA_LENGTH / 8).toWellFormed(),
  })
}
