/** Verifies the audit chain in the store. Copies of it are another file's: `verify-copies.ts`. */

import type { KeyObject } from 'node:crypto'
import { sql } from 'kysely'
import type { Database } from '../../database/database.ts'
import { type AuditRow, type ChainHead, type ChainProblem, checkLink, readPublicKey } from './chain.ts'

export interface VerifyOptions {
  readonly publicKeyPem?: string
  /** The end of the chain as somebody noted it earlier: it must still be in it. Shows a chain cut short together with its head. */
  readonly checkpoint?: ChainHead
}

export type AuditVerdict =
  /** `head` is worth noting down: given as `checkpoint` next time, it proves that nothing was cut off since. */
  | { readonly ok: true; readonly events: number; readonly head: ChainHead }
  /** `seq` is the first bad event; `events` were good before it. */
  | {
      readonly ok: false
      readonly events: number
      readonly seq: number
      readonly problem: ChainProblem
      readonly message: string
    }

const PAGE = 256
const START: ChainHead = { seq: 0, hash: '' }

/** Walks the chain in pages, up to the head that the store names when it begins. */
export async function verifyStore(
  database: Database,
  { publicKeyPem, checkpoint }: VerifyOptions & { publicKeyPem: string },
): Promise<AuditVerdict> {
  const publicKey = readPublicKey(publicKeyPem)
  const end = await database.selectFrom('audit_head').select(['seq', 'hash']).where('id', '=', 1).executeTakeFirst()
  if (end === undefined) return bad(0, 1, 'truncated', 'the head of the chain is missing')
  let head = START
  for (;;) {
    const rows = await database
      .selectFrom('audit_events')
      .selectAll()
      .where('seq', '>', head.seq)
      .where('seq', '<=', end.seq)
      .orderBy('seq')
      .limit(PAGE)
      .execute()
    if (rows.length === 0) break
    const { head: reached, verdict } = await checkRows(head, rows, publicKey)
    if (verdict !== undefined) return verdict
    const noted = checkpoint && rows.find(row => row.seq === checkpoint.seq)
    if (noted !== undefined && noted.hash !== checkpoint?.hash) return notAsNoted(noted.seq)
    head = reached
  }
  if (head.seq < end.seq)
    return bad(head.seq, head.seq + 1, 'truncated', `events ${head.seq + 1} to ${end.seq} are missing`)
  if (head.hash !== end.hash) return bad(head.seq, head.seq, 'changed', 'the head names another last event')
  if (checkpoint !== undefined && checkpoint.seq > head.seq) {
    return bad(
      head.seq,
      head.seq + 1,
      'truncated',
      `the chain ends before event ${checkpoint.seq}, which was noted earlier`,
    )
  }
  const beyond = await database
    .selectFrom('audit_events')
    .select('seq')
    .where('seq', '>', sql<number>`(select seq from audit_head where id = 1)`)
    .executeTakeFirst()
  if (beyond !== undefined) return bad(head.seq, beyond.seq, 'changed', `event ${beyond.seq} stands after the end`)
  return { ok: true, events: head.seq, head }
}

async function checkRows(head: ChainHead, rows: AuditRow[], publicKey: KeyObject) {
  const previous = [head, ...rows]
  const checked = await Promise.all(rows.map((row, index) => checkLink(previous[index]!, row, publicKey)))
  const index = checked.findIndex(found => found !== undefined)
  if (index === -1) {
    const { seq, hash } = rows.at(-1)!
    return { head: { seq, hash } }
  }
  const { problem, message } = checked[index]!
  const before = previous[index]!.seq
  return { head, verdict: bad(before, problem === 'missing' ? before + 1 : rows[index]!.seq, problem, message) }
}

function bad(events: number, seq: number, problem: ChainProblem, message: string): AuditVerdict {
  return { ok: false, events, seq, problem, message }
}

function notAsNoted(seq: number): AuditVerdict {
  return bad(seq - 1, seq, 'changed', `event ${seq} is not the one that was noted earlier`)
}
