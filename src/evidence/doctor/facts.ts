/**
 * All that is known of each session, from four places side by side: rows, leases, audit events, files. Each place is read in pages in the order
 * of session ids, so that a million sessions take no more memory than a few hundred.
 */

import { sql } from 'kysely'
import type { AuditRow } from '../../audit/chain/chain.ts'
import { listWaiting } from '../../audit/chain/outbox.ts'
import type { AuditKind } from '../../audit/event.ts'
import type { Database } from '../../database/database.ts'
import type { LeaseTable, SessionTable } from '../../database/schema.ts'
import { isRecordable } from '../../recording/store/paths.ts'
import { filesOf, type Range, type RecordedFile } from './files.ts'
import type { Finding } from './finding.ts'

export interface SessionFacts {
  readonly session: string
  readonly row: SessionTable | undefined
  readonly leases: readonly LeaseTable[]
  /** Of `KINDS`, in the order of the chain. */
  readonly events: readonly AuditRow[]
  /** Events that are stored and have no place in the chain yet: known of a session that is looked at again. */
  readonly waiting: readonly { readonly kind: string; readonly at: number }[]
  readonly file: RecordedFile | undefined
}

/** The events that say something of rows, leases and files. */
export const KINDS: AuditKind[] = [
  'lease.started',
  'lease.ended',
  'session.started',
  'session.ended',
  'recording.sealed-as-interrupted',
  'recording.seal-noted',
]

const PAGE = 500

export interface FactSources {
  readonly database: Database
  /** Of the recordings. */
  readonly folder: string
}

/** `stray` gets what belongs to no session: rows and files in no place where one could be. */
export async function* sessionFacts(
  { database, folder }: FactSources,
  range: Range,
  stray: (finding: Finding) => void,
): AsyncGenerator<SessionFacts, void> {
  const rows = new Cursor(
    checked(sessionRows(database, range), row => row.id, 'session', stray),
    row => row.id,
  )
  const leases = new Cursor(
    checked(leaseRows(database, range), row => row.session, 'lease', stray),
    row => row.session,
  )
  const events = new Cursor(auditRows(database, range), row => row.session!)
  const files = new Cursor(filesOf(folder, range, stray), file => file.session)
  const cursors = [rows, leases, events, files]
  await Promise.all(cursors.map(cursor => cursor.begin()))
  for (;;) {
    const session = cursors.reduce<string | undefined>(
      (least, { key }) => (key !== undefined && (least === undefined || key < least) ? key : least),
      undefined,
    )
    if (session === undefined) return
    const [row] = await rows.take(session)
    const [file] = await files.take(session)
    yield {
      ...{ session, row, file, waiting: [] },
      leases: await leases.take(session),
      events: await events.take(session),
    }
  }
}

/** The same of one session, read now, with its events that wait for their place in the chain. */
export async function factsOf({ database, folder }: FactSources, session: string): Promise<SessionFacts> {
  const one = { from: session, to: session }
  // The file first: what is noted later than it was looked at is looked at again. What waits before what is told: it moves from there.
  const [file] = await collect(filesOf(folder, one, () => undefined))
  const waiting = await listWaiting(database, [session], KINDS)
  const events = await collect(auditRows(database, one))
  const [row] = await collect(sessionRows(database, one))
  return { session, row, leases: await collect(leaseRows(database, one)), events, waiting, file }
}

/** A place that is read, and the id it stands at. */
class Cursor<T> {
  readonly #source: AsyncGenerator<T, void>
  readonly #keyOf: (item: T) => string
  #next: T | undefined

  constructor(source: AsyncGenerator<T, void>, keyOf: (item: T) => string) {
    this.#source = source
    this.#keyOf = keyOf
  }

  get key(): string | undefined {
    return this.#next === undefined ? undefined : this.#keyOf(this.#next)
  }

  async begin(): Promise<void> {
    this.#next = (await this.#source.next()).value ?? undefined
  }

  async take(session: string): Promise<T[]> {
    const taken: T[] = []
    while (this.#next !== undefined && this.#keyOf(this.#next) === session) {
      taken.push(this.#next)
      await this.begin()
    }
    return taken
  }
}

async function* checked<T>(
  source: AsyncGenerator<T, void>,
  idOf: (row: T) => string,
  what: string,
  stray: (finding: Finding) => void,
): AsyncGenerator<T, void> {
  for await (const row of source) {
    if (isRecordable(idOf(row))) yield row
    else
      stray({
        code: 'row-foreign',
        session: null,
        what: `a ${what} with the id ${JSON.stringify(idOf(row)).slice(0, 80)}`,
      })
  }
}

async function* sessionRows(database: Database, { from = '', to }: Range): AsyncGenerator<SessionTable, void> {
  for (let after: string | undefined; ; ) {
    let select = database.selectFrom('sessions').selectAll()
    select = after === undefined ? select.where('id', '>=', from) : select.where('id', '>', after)
    if (to !== undefined) select = select.where('id', '<=', to)
    const page = await select.orderBy('id').limit(PAGE).execute()
    yield* page
    if (page.length < PAGE) return
    after = page.at(-1)!.id
  }
}

async function* leaseRows(database: Database, { from = '', to }: Range): AsyncGenerator<LeaseTable, void> {
  for (let after: LeaseTable | undefined; ; ) {
    let select = database.selectFrom('leases').selectAll().where('check_out', 'is', null)
    select =
      after === undefined
        ? select.where('session', '>=', from)
        : select
            .where('session', '>=', after.session)
            .where(sql<boolean>`(session, id) > (${after.session}, ${after.id})`)
    if (to !== undefined) select = select.where('session', '<=', to)
    const page = await select.orderBy('session').orderBy('id').limit(PAGE).execute()
    yield* page
    if (page.length < PAGE) return
    after = page.at(-1)!
  }
}

/** The kind is an expression, so that the index on session and number is taken, which gives the order: by kind, each page would sort all. */
async function* auditRows(database: Database, { from = 'ses_', to = 'ses_~' }: Range): AsyncGenerator<AuditRow, void> {
  for (let after: AuditRow | undefined; ; ) {
    let select = database.selectFrom('audit_events').selectAll().where(sql`kind || ''`, 'in', KINDS)
    select =
      after === undefined
        ? select.where('session', '>=', from)
        : select
            .where('session', '>=', after.session)
            .where(sql<boolean>`(session, seq) > (${after.session}, ${after.seq})`)
    if (to !== 'ses_~') select = select.where('session', '<=', to)
    const page = await select.orderBy('session').orderBy('seq').limit(PAGE).execute()
    for (const row of page) if (isRecordable(row.session ?? '')) yield row
    if (page.length < PAGE) return
    after = page.at(-1)!
  }
}

async function collect<T>(source: AsyncGenerator<T, void>): Promise<T[]> {
  const all: T[] = []
  for await (const item of source) all.push(item)
  return all
}
