/** Makes the signed list of sessions out of the audit log alone: no row that somebody could have changed takes part in it. */

import type { AuditRow } from '../audit/chain/chain.ts'
import { rangeOf, readHead, walkChain } from '../audit/chain/walk.ts'
import type { Database } from '../database/database.ts'
import { isRecordable, recordingFile } from '../recording/store/paths.ts'
import type { Clock } from '../shared/clock.ts'
import type { Signer } from '../shared/cryptography/signer.ts'
import { type ListedSession, ListWriter, type NotedSeal } from './session-list.ts'

export interface ExportOptions {
  /** Milliseconds since the epoch: what the log says at or after, and before. */
  readonly since?: number | undefined
  readonly until?: number | undefined
}

type Building = { -readonly [Key in keyof ListedSession]: ListedSession[Key] }

/**
 * The lines of the list. Sessions leave as soon as they are complete, so that only those that are open or not sealed yet take memory.
 * Throws `CONFLICT` where the log is broken: what is not proven is not signed again.
 */
export async function* exportSessions(
  { database, signer, clock, gateway }: { database: Database; signer: Signer; clock: Clock; gateway: string },
  { since, until }: ExportOptions = {},
): AsyncGenerator<string, void> {
  const writer = new ListWriter(signer)
  const stretch = await rangeOf(database, since, until)
  const end = await readHead(database)
  let installation = '0'.repeat(64)
  for await (const row of walkChain(database, signer.publicKeyPem, { first: 1, last: Math.min(1, end.seq) })) {
    installation = row.hash
  }
  yield writer.header({
    ...{ madeAt: clock.now(), since: since ?? null, until: until ?? null },
    ...{ gateway, installation, firstEvent: stretch.first },
  })
  const open = new Map<string, Building>()
  let head: { seq: number; hash: string; at: number | null } = { seq: 0, hash: '', at: null }
  for await (const row of walkChain(database, signer.publicKeyPem, stretch)) {
    head = { seq: row.seq, hash: row.hash, at: row.at }
    const session = note(open, row)
    if (session === undefined || !isComplete(session)) continue
    open.delete(session.session)
    yield writer.session(session)
  }
  for (const session of open.values()) yield writer.session(session)
  yield writer.end(head)
}

/** What one event says of a session; undefined where it says nothing that the list holds. */
function note(open: Map<string, Building>, { kind, actor, at, session: id, data }: AuditRow): Building | undefined {
  if (id === null || !isRecordable(id) || !(kind in FACTS)) return undefined
  let session = open.get(id)
  if (session === undefined) {
    session = { ...EMPTY, session: id, seals: [] }
    open.set(id, session)
  }
  FACTS[kind]!(session, JSON.parse(data), { actor, at })
  return session
}

const EMPTY = { user: null, account: null, startedAt: null, recorded: false, endedAt: null, reason: null }

type Fact = (session: Building, data: Record<string, unknown>, event: { actor: string; at: number }) => void

const begun: Fact = (session, { account }, { actor, at }) => {
  session.user ??= actor
  session.account ??= textOr(account, null)
  session.startedAt ??= at
}
const sealed: Fact = (session, { hash, recording, bytes }) => {
  const seal = sealOf(session.session, hash ?? recording, bytes)
  if (seal === undefined || session.seals.some(known => known.hash === seal.hash)) return
  session.seals = [...session.seals, seal]
}

const sealedLater: Fact = (session, data, event) => {
  session.recorded = true
  sealed(session, data, event)
}

const FACTS: Readonly<Record<string, Fact>> = {
  'lease.started'(session, data, event) {
    // Of its own account; those of the hops on the way there say nothing of the session.
    if (data.onTheWayTo === undefined) begun(session, data, event)
  },
  'session.started'(session, data, event) {
    begun(session, data, event)
    // Its recording was opened before.
    session.recorded = true
  },
  'session.ended'(session, data, event) {
    session.endedAt ??= event.at
    session.reason ??= textOr(data.reason, null)
    sealed(session, data, event)
  },
  'recording.sealed-as-interrupted': sealedLater,
  'recording.seal-noted': sealedLater,
}

function sealOf(session: string, hash: unknown, bytes: unknown): NotedSeal | undefined {
  if (typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash)) return undefined
  return { file: recordingFile(session), hash, bytes: typeof bytes === 'number' ? bytes : 0 }
}

function isComplete({ endedAt, recorded, seals }: Building): boolean {
  return endedAt !== null && (!recorded || seals.length > 0)
}

function textOr<Other>(value: unknown, other: Other): string | Other {
  return typeof value === 'string' ? value : other
}
