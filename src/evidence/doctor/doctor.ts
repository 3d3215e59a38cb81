/** The doctor: goes through all sessions, or those since a time, and names what is missing, doubled, cut, changed or foreign. */

import { createPublicKey } from 'node:crypto'
import { join } from 'node:path'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { type ChainHead, checkAlone } from '../../audit/chain/chain.ts'
import { readHead, walkChain } from '../../audit/chain/walk.ts'
import { verifyRecording } from '../../recording/store/verify.ts'
import type { Clock } from '../../shared/clock.ts'
import { GatewayError } from '../../shared/errors.ts'
import { newId } from '../../shared/ids.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import type { Vault } from '../../vault/vault.ts'
import type { AlteredVersion } from '../../vault/version-history.ts'
import { examine, sealsOf } from './examine.ts'
import { type FactSources, factsOf, type SessionFacts, sessionFacts } from './facts.ts'
import type { Finding, FindingCode } from './finding.ts'

export interface DoctorParts extends FactSources {
  readonly publicKeyPem: string
  readonly clock: Clock
  /** Versions of credentials of which the store says something else than what was sealed. */
  readonly alteredVersions: Vault['alteredVersions']
  /** The gateways that live; undefined where nobody knows now. */
  readonly living: () => Promise<ReadonlySet<string> | undefined>
}

export interface DoctorOptions {
  /** Milliseconds since the epoch: only sessions whose connection came since. */
  readonly since?: number | undefined
  /** How much of the recordings is read whole, and from which session on (exclusive). Not given: nothing; sizes are compared always. */
  readonly read?: { readonly after: string; readonly atMostBytes: number } | undefined
  /** The audit log is walked from this head on (`START`: the whole of it). Not given: it is not. */
  readonly chainFrom?: ChainHead | undefined
  /** Rests as long as it works, so that sessions do not feel it. */
  readonly gentle?: boolean
  readonly signal?: AbortSignal
}

export interface DoctorReport {
  readonly sessions: number
  readonly findings: number
  readonly counts: Partial<Record<FindingCode, number>>
  readonly recordingsRead: number
  readonly bytesRead: number
  /** Where the next round goes on reading; empty: from the beginning. */
  readonly readUpTo: string
  /** Up to where the audit log was walked and found whole. */
  readonly chain: ChainHead | undefined
}

export const START: ChainHead = { seq: 0, hash: '' }

/** What changed so lately may be on its way from one place to the other. */
const RECENT_MS = 10 * 60_000
const LOOK_AGAIN_MS = [100, 400]
const BREATHE_EVERY = 200

/** Yields findings as they are found, and returns the report. */
export async function* examineAll(
  parts: DoctorParts,
  options: DoctorOptions = {},
): AsyncGenerator<Finding, DoctorReport> {
  const { since, read, chainFrom, gentle = false, signal } = options
  const counts: Partial<Record<FindingCode, number>> = {}
  const strays: Finding[] = []
  let [sessions, findings, recordingsRead, bytesRead] = [0, 0, 0, 0]
  let readUpTo = read?.after ?? ''
  let reading = read !== undefined
  function* all(found: readonly Finding[]): Generator<Finding> {
    for (const finding of found) {
      findings++
      counts[finding.code] = (counts[finding.code] ?? 0) + 1
      yield finding
    }
  }

  const chain = chainFrom === undefined ? { head: undefined, found: [] } : await walk(parts, chainFrom)
  yield* all(chain.found)

  for await (const altered of parts.alteredVersions()) {
    signal?.throwIfAborted()
    yield* all([alteredFinding(altered)])
    if (gentle) await setImmediate()
  }

  const living = await parts.living()
  const from = since === undefined ? undefined : firstIdOf(since)
  let worked = performance.now()
  for await (const facts of sessionFacts(parts, { from }, finding => strays.push(finding))) {
    signal?.throwIfAborted()
    sessions++
    const now = parts.clock.now()
    let found = examine(facts, { now, living })
    if (found.length > 0) found = await lookAgain(parts, facts)
    yield* all(found)
    if (read !== undefined && reading && facts.session > read.after && isOver(facts)) {
      const deep = await readWhole(parts, facts, found)
      yield* all(deep.found)
      recordingsRead += deep.bytes > 0 ? 1 : 0
      bytesRead += deep.bytes
      readUpTo = facts.session
      reading = bytesRead < read.atMostBytes
    }
    yield* all(strays.splice(0))
    if (sessions % BREATHE_EVERY === 0) {
      if (gentle) await setTimeout(performance.now() - worked)
      else await setImmediate()
      worked = performance.now()
    }
  }
  yield* all(strays.splice(0))
  // To the end: the next round begins at the beginning.
  if (reading) readUpTo = ''
  return { sessions, findings, counts, recordingsRead, bytesRead, readUpTo, chain: chain.head }
}

function alteredFinding({ changed, version, ...address }: AlteredVersion): Finding {
  const what =
    changed.length === 0 ? 'what was sealed of it does not open' : `its row says another ${changed.join(', ')}`
  return {
    code: 'history-altered',
    session: null,
    what: `version ${version} of ${formatAccountAddress(address)}: ${what}`,
  }
}

async function walk(
  { database, publicKeyPem }: DoctorParts,
  from: ChainHead,
): Promise<{ head: ChainHead | undefined; found: Finding[] }> {
  const broken = (what: string): Finding => ({ code: 'audit-broken', session: null, what })
  try {
    const head = await readHead(database)
    if (head.seq < from.seq) {
      return {
        head: undefined,
        found: [broken(`the log ends at ${head.seq}, and it was whole up to ${from.seq} at the round before`)],
      }
    }
    let last = from
    const before = from.seq === 0 ? undefined : from
    for await (const { seq, hash } of walkChain(
      database,
      publicKeyPem,
      { first: from.seq + 1, last: head.seq },
      before,
    ))
      last = { seq, hash }
    if (last.hash !== head.hash) return { head: undefined, found: [broken('the head names another last event')] }
    return { head: last, found: [] }
  } catch (error) {
    if (!(error instanceof GatewayError && error.code === 'CONFLICT')) throw error
    return { head: undefined, found: [broken(error.message)] }
  }
}

/** What is on its way is there at one of the next looks; what is wrong stays. */
async function lookAgain(parts: DoctorParts, facts: SessionFacts): Promise<Finding[]> {
  for (const delay of LOOK_AGAIN_MS) {
    const now = await factsOf(parts, facts.session)
    const found = examine(now, { now: parts.clock.now(), living: await parts.living() })
    if (found.length === 0 || parts.clock.now() - lastChangeOf(now) > RECENT_MS) return found
    await setTimeout(delay)
  }
  return examine(await factsOf(parts, facts.session), { now: parts.clock.now(), living: await parts.living() })
}

function lastChangeOf({ row, leases, events }: SessionFacts): number {
  return Math.max(
    ...[row?.started_at ?? 0, row?.ended_at ?? 0],
    ...leases.map(({ started_at, ended_at }) => ended_at ?? started_at),
    ...events.map(({ at }) => at),
  )
}

function isOver({ row }: SessionFacts): boolean {
  return row === undefined || row.state === 'ended'
}

/** Everything that needs the content: the signatures of the session's events, and the whole recording. */
async function readWhole(
  { folder, publicKeyPem }: DoctorParts,
  { session, events, file }: SessionFacts,
  known: readonly Finding[],
): Promise<{ found: Finding[]; bytes: number }> {
  const found: Finding[] = []
  const find = (code: FindingCode, what: string) => found.push({ code, session, what })
  const publicKey = createPublicKey(publicKeyPem)
  for (const event of events) {
    const broken = await checkAlone(event, publicKey)
    if (broken !== undefined) find('event-altered', broken.message)
  }
  const seal = sealsOf(events)[0]
  if (file === undefined || seal === undefined || known.some(({ code }) => code.startsWith('recording-')))
    return { found, bytes: 0 }
  const { ok, unfinished, firstBad, hash, subject } = await verifyRecording(join(folder, file.file), publicKeyPem)
  if (subject !== undefined && subject.session !== session) {
    find('recording-replaced', `in its place lies the recording of ${subject.session}`)
  } else if (!ok) {
    const where = firstBad === undefined ? '' : `, frame ${firstBad.frame} at byte ${firstBad.offset}: ${firstBad.why}`
    find(unfinished === true ? 'recording-cut' : 'recording-altered', `${file.file}${where}`)
  } else if (hash !== seal.hash) {
    find(
      'recording-replaced',
      `${file.file} is sealed well, and is not the one with the hash ${seal.hash} that the audit log notes`,
    )
  }
  return { found, bytes: file.bytes }
}

/** The least id that a session of this time can have. */
function firstIdOf(time: number): string {
  return `${newId('ses', Math.max(0, time)).slice(0, -16)}${'0'.repeat(16)}`
}
