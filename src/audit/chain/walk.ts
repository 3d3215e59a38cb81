/** Reads a range of the audit chain from the store, and verifies each event before it is passed on. */

import { createPublicKey, type KeyObject } from 'node:crypto'
import type { Database } from '../../database/database.ts'
import { GatewayError } from '../../shared/errors.ts'
import { type AuditRow, type ChainHead, checkAlone, checkLink } from './chain.ts'

/** A range of the chain, both ends included; `last` is before `first` where nothing is in it. */
export interface ChainRange {
  readonly first: number
  readonly last: number
}

const PAGE = 256

/**
 * The smallest range that holds every event of a time range (milliseconds: at or after `since`, before `until`). Clocks of several
 * gateways differ, so events of other times may stand in it too.
 */
export async function rangeOf(database: Database, since?: number, until?: number): Promise<ChainRange> {
  const head = await readHead(database)
  let select = database.selectFrom('audit_events').where('seq', '<=', head.seq)
  if (since !== undefined) select = select.where('at', '>=', since)
  if (until !== undefined) select = select.where('at', '<', until)
  const found = await select
    .select(({ fn }) => [fn.min('seq').as('first'), fn.max('seq').as('last')])
    .executeTakeFirstOrThrow()
  const first = since === undefined ? 1 : Number(found.first ?? 1)
  if (until === undefined) return { first, last: since !== undefined && found.first === null ? 0 : head.seq }
  return { first, last: Number(found.last ?? 0) }
}

export async function readHead(database: Database): Promise<ChainHead> {
  const head = await database.selectFrom('audit_head').select(['seq', 'hash']).where('id', '=', 1).executeTakeFirst()
  if (head === undefined) throw broken('the head of the chain is missing')
  return head
}

/** The hashes of these events (some hundreds at most), of those that are there. */
export async function hashesOf(database: Database, seqs: readonly number[]): Promise<ChainHead[]> {
  if (seqs.length === 0) return []
  return database.selectFrom('audit_events').select(['seq', 'hash']).where('seq', 'in', seqs).execute()
}

/**
 * The events of a stretch in their order, each checked against the one before it; the first against `before`, where that is known. Throws `CONFLICT` at the first that is missing or not
 * what was signed.
 */
export async function* walkChain(
  database: Database,
  publicKeyPem: string,
  { first, last }: ChainRange,
  before?: ChainHead,
): AsyncGenerator<AuditRow, void> {
  const publicKey = createPublicKey(publicKeyPem)
  while ((before?.seq ?? first - 1) < last) {
    const rows = await database
      .selectFrom('audit_events')
      .selectAll()
      .where('seq', '>', before?.seq ?? first - 1)
      .where('seq', '<=', last)
      .orderBy('seq')
      .limit(PAGE)
      .execute()
    if (rows.length === 0) throw broken(`events ${(before?.seq ?? first - 1) + 1} to ${last} are missing`)
    const problems = await Promise.all(
      rows.map((row, index) => check(rows[index - 1] ?? before, row, first, publicKey)),
    )
    for (const [index, row] of rows.entries()) {
      const problem = problems[index]
      if (problem !== undefined) throw broken(problem)
      yield row
    }
    before = rows.at(-1)!
  }
}

async function check(
  before: ChainHead | undefined,
  row: AuditRow,
  first: number,
  publicKey: KeyObject,
): Promise<string | undefined> {
  if (before !== undefined) return (await checkLink(before, row, publicKey))?.message
  if (row.seq !== first) return `event ${first} is missing`
  return (await checkAlone(row, publicKey))?.message
}

function broken(why: string): GatewayError {
  return new GatewayError('CONFLICT', `The audit log is not whole: ${why}. \`sallyport audit verify\` says more.`)
}
