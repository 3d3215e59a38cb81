/** What is wrong with one session, given all that is known of it. Decides, and does nothing. */

import type { AuditRow } from '../../audit/chain/chain.ts'
import { recordingFile } from '../../recording/store/paths.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import type { SessionFacts } from './facts.ts'
import type { Finding, FindingCode } from './finding.ts'

export interface Present {
  /** Milliseconds since the epoch. */
  readonly now: number
  /** The gateways that live; undefined where nobody knows. */
  readonly living: ReadonlySet<string> | undefined
}

/** After this time what a dead gateway left should have been ended and sealed. */
const REPAIRED_WITHIN_MS = 2 * 60_000

type Data = Record<string, unknown>

export function examine(facts: SessionFacts, present: Present): Finding[] {
  const { session, row, leases, events, file } = facts
  const findings: Finding[] = []
  const find = (code: FindingCode, what: string) => findings.push({ code, session, what })
  const recorded = (kind: string) => events.filter(event => event.kind === kind)
  const due = dueOf(facts, present)
  const seals = sealsOf(events)
  const started = recorded('session.started')
  const ended = recorded('session.ended')

  if (row === undefined) {
    const known = [...started, ...ended].length > 0 || seals.length > 0
    if (known) find('session-missing', 'the audit log has it, and the store has no row of it')
    else if (leases.length === 0 && recorded('lease.started').length === 0) {
      if (file !== undefined) find('recording-foreign', `${file.file} is of no session that this store knows`)
      return findings
    }
  }
  if (row !== undefined && row.state !== 'ended' && ended.length === 0) return unfinished(facts, present)

  if (started.length > 1)
    find('session-start-doubled', `the audit log has its start ${started.length} times (${numbers(started)})`)
  if (ended.length > 1)
    find('session-end-doubled', `the audit log has its end ${ended.length} times (${numbers(ended)})`)
  if (row !== undefined) {
    if (row.state !== 'ended') find('session-changed', 'the audit log has its end, and its row is open')
    else if (ended.length === 0 && !due('session.ended'))
      find('session-end-untold', 'its row has ended, and the audit log has no end of it')
    for (const what of differences(facts)) find('session-changed', what)
  }
  leaseFindings(facts, present, due, find)
  sealFindings(facts, seals, due, find)
  recordingFindings(facts, seals, present, find)
  return findings
}

/** A session that goes on: nothing of it is a finding while its gateway lives. */
function unfinished({ session, row, file }: SessionFacts, { now, living }: Present): Finding[] {
  if (row === undefined || living === undefined || living.has(row.gateway)) return []
  const lastSign = Math.max(row.started_at, file?.touchedAt ?? 0)
  if (now - lastSign < REPAIRED_WITHIN_MS) return []
  return [{ code: 'session-unfinished', session, what: `it is ${row.state}, and its gateway ${row.gateway} is gone` }]
}

type Due = (kind: string) => boolean

/** Events of the last minutes that wait for their place in the chain; what waits for longer does not come by itself. */
function dueOf({ waiting }: SessionFacts, { now }: Present): Due {
  return wanted => waiting.some(({ kind, at }) => kind === wanted && now - at < REPAIRED_WITHIN_MS)
}

type Find = (code: FindingCode, what: string) => void

function leaseFindings({ row, leases, events }: SessionFacts, { now }: Present, due: Due, find: Find): void {
  const recorded = (kind: string, lease: string) =>
    events.filter(event => event.kind === kind && dataOf(event).lease === lease)
  // One for its account, and one for each hop on the way there.
  for (const [account, same] of Map.groupBy(leases, formatAccountAddress)) {
    if (same.length > 1)
      find('lease-doubled', `it has ${same.length} leases of ${account} (${same.map(({ id }) => id).join(', ')})`)
  }
  const ids = new Set(leases.map(({ id }) => id))
  for (const event of events) {
    const { lease } = dataOf(event)
    if (event.kind !== 'lease.started' || typeof lease !== 'string' || ids.has(lease)) continue
    find('lease-missing', `the audit log has the lease ${lease} (event ${event.seq}), and the store does not`)
  }
  for (const { id, ended_at, started_at } of leases) {
    const over = row !== undefined || now - started_at > REPAIRED_WITHIN_MS
    if (ended_at === null && over) find('lease-open', `its lease ${id} is open`)
    if (recorded('lease.started', id).length === 0 && !due('lease.started') && row !== undefined) {
      find('lease-untold', `the audit log does not have the start of its lease ${id}`)
    }
    const ends = recorded('lease.ended', id)
    if (ends.length > 1)
      find('lease-end-doubled', `the audit log has the end of its lease ${id} ${ends.length} times (${numbers(ends)})`)
    if (ended_at !== null && ends.length === 0 && !due('lease.ended')) {
      find('lease-end-untold', `the audit log does not have the end of its lease ${id}`)
    }
  }
}

function sealFindings({ row }: SessionFacts, seals: readonly NotedSeal[], due: Due, find: Find): void {
  const hashes = [...new Set(seals.map(({ hash }) => hash))]
  if (hashes.length > 1) find('seal-doubled', `the audit log has ${hashes.length} seals of it (${hashes.join(', ')})`)
  else if (seals.length > 1)
    find('seal-doubled', `the audit log has its seal ${seals.length} times (${numbers(seals)})`)
  const hash = row?.recording_hash
  if (hash === undefined || hash === null) return
  if (seals.length === 0) {
    const coming = due('session.ended') || due('recording.seal-noted') || due('recording.sealed-as-interrupted')
    if (!coming) find('seal-untold', `its row has the hash ${hash}, and the audit log has none`)
  } else if (!hashes.includes(hash)) find('seal-differs', `its row has the hash ${hash}, the audit log ${hashes[0]}`)
}

function recordingFindings(
  { row, events, file }: SessionFacts,
  seals: readonly NotedSeal[],
  { now }: Present,
  find: Find,
): void {
  const noted = seals[0] ?? (row?.recording_hash ? { hash: row.recording_hash, bytes: row.recording_bytes } : undefined)
  const begun = events.some(({ kind }) => kind === 'session.started')
  if (file === undefined) {
    if (noted !== undefined) find('recording-missing', `its recording (${noted.bytes} bytes) is not in the folder`)
    else if (begun) find('recording-missing', 'it was recorded, and its recording is not in the folder')
    return
  }
  if (noted === undefined) {
    if (now - Math.max(file.touchedAt, row?.ended_at ?? 0) < REPAIRED_WITHIN_MS) return
    find('recording-unsealed', `${file.file}: no seal of it is noted`)
    return
  }
  if (file.bytes < noted.bytes) find('recording-cut', `${file.file} has ${file.bytes} of ${noted.bytes} bytes`)
  if (file.bytes > noted.bytes)
    find('recording-altered', `${file.file} has ${file.bytes} bytes, ${noted.bytes} were sealed`)
}

/** What the row says otherwise than the audit log. */
function differences({ row, events }: SessionFacts): string[] {
  const recorded: string[] = []
  const started = events.find(({ kind }) => kind === 'session.started')
  const start =
    started ?? events.find(event => event.kind === 'lease.started' && dataOf(event).onTheWayTo === undefined)
  if (row === undefined) return recorded
  const account = formatAccountAddress({ account: row.account, target: row.target })
  if (start !== undefined && start.actor !== row.user)
    recorded.push(`its row says the user ${row.user}, the audit log ${start.actor}`)
  const said = start && dataOf(start).account
  if (typeof said === 'string' && said !== account) recorded.push(`its row says ${account}, the audit log ${said}`)
  const { role } = started === undefined ? { role: row.role } : dataOf(started)
  if (typeof role === 'string' && role !== row.role)
    recorded.push(`its row says the role ${row.role}, the audit log ${role}`)
  if (row.recording !== recordingFile(row.id)) recorded.push(`its row names ${row.recording} as its recording`)
  const reasons = events.flatMap(event => {
    const { reason } = dataOf(event)
    return typeof reason === 'string' ? [reason] : []
  })
  // A seal may know the reason better than who found the session ended: both are in the log.
  if (row.end_reason !== null && reasons.length > 0 && !reasons.includes(row.end_reason)) {
    recorded.push(`its row says that it ended as ${row.end_reason}, the audit log ${reasons.join(', ')}`)
  }
  return recorded
}

export interface NotedSeal {
  readonly hash: string
  readonly bytes: number
  readonly seq: number
}

/** The seals that the audit log notes, in its order. */
export function sealsOf(events: readonly AuditRow[]): NotedSeal[] {
  return events.flatMap(event => {
    const { hash, recording, bytes } = dataOf(event)
    const sealed =
      event.kind === 'session.ended' ? recording : event.kind.startsWith('recording.seal') ? hash : undefined
    return typeof sealed === 'string' ? [{ hash: sealed, bytes: Number(bytes), seq: event.seq }] : []
  })
}

function dataOf({ data }: AuditRow): Data {
  try {
    return JSON.parse(data) as Data
  } catch {
    // Somebody wrote into the store; that the event is not what was signed is another finding.
    return {}
  }
}

function numbers(events: readonly { readonly seq: number }[]): string {
  return `${events.length === 1 ? 'event' : 'events'} ${events.map(({ seq }) => seq).join(', ')}`
}
