/** Compares folders of recordings with a signed list: names what is deleted, cut, altered, replaced, doubled and foreign. */

import { basename } from 'node:path'
import { EXTENSION, isRecordable } from '../recording/store/paths.ts'
import { type Verification, verifyFolder } from '../recording/store/verify.ts'
import type { ListedSession, SessionList } from './session-list.ts'

export type RecordingState =
  /** Whole, and the one that the log notes. */
  | 'good'
  /** Open, or about to be sealed, when the list was made: nothing can be said of its end yet. */
  | 'open'
  /** Of a time that the list does not cover. */
  | 'outside'
  /** In the list, and not here. */
  | 'deleted'
  /** Its end is missing. */
  | 'cut'
  | 'altered'
  /** Whole and signed, but not the one that the log notes. */
  | 'replaced'
  /** The session ended, and the log notes no seal of it. */
  | 'unnoted'
  /** The log notes more than one seal of it. */
  | 'twice-noted'
  /** A second file of the same session. */
  | 'doubled'
  /** Here, and not in the list. */
  | 'foreign'

export interface CheckedRecording {
  readonly state: RecordingState
  /** Where it lies, or (deleted) should lie. */
  readonly file: string
  readonly session: string | null
  readonly why: string
}

const FINE: ReadonlySet<RecordingState> = new Set(['good', 'open', 'outside'])

export function isFine({ state }: Pick<CheckedRecording, 'state'>): boolean {
  return FINE.has(state)
}

/** A session that ended so shortly before the list may have its seal noted after it. */
const ON_ITS_WAY_MS = 2 * 60_000
/** The clocks of two gateways may differ by this. */
const CLOCKS_DIFFER_MS = 20_000

/** Every recording of the folders, then the deleted ones. Files are read whole: nothing but the public key and the list is needed. */
export async function* checkFolders(
  folders: readonly string[],
  { header, head, sessions }: SessionList,
  publicKeyPem: string,
): AsyncGenerator<CheckedRecording> {
  const until = head.at ?? header.madeAt
  const here = new Map<string, string>()
  for (const folder of folders) {
    for await (const { file: below, ...found } of verifyFolder(folder, publicKeyPem)) {
      const file = folders.length === 1 ? below : `${folder}/${below}`
      const session = sessionOf(below, found)
      const first = session === undefined ? undefined : here.get(session)
      if (session !== undefined && first === undefined) here.set(session, file)
      yield { file, session: session ?? null, ...check(session, found, first) }
    }
  }
  for (const listed of sessions.values()) {
    if (here.has(listed.session)) continue
    const why = missing(listed)
    if (why !== undefined) {
      yield {
        state: 'deleted',
        file: listed.seals[0]?.file ?? `${listed.session}${EXTENSION}`,
        session: listed.session,
        why,
      }
    }
  }

  function check(
    session: string | undefined,
    found: Verification,
    first: string | undefined,
  ): Pick<CheckedRecording, 'state' | 'why'> {
    if (session === undefined) return { state: 'foreign', why: 'it is not a recording of a session' }
    if (first !== undefined) return { state: 'doubled', why: `${first} is of the same session` }
    const listed = sessions.get(session)
    if (listed === undefined) return unlisted(found)
    const inside = found.subject?.session
    if (inside !== undefined && inside !== session) {
      return { state: 'replaced', why: `in its place lies the recording of ${inside}` }
    }
    return compare(listed, found)
  }

  /** The log had its lease before its file was made: what is not in the list, and not younger or older, is not the log's. */
  function unlisted({ header: made, subject, ...found }: Verification): Pick<CheckedRecording, 'state' | 'why'> {
    const ours = made?.signingKey === header.key && (found.ok || found.unfinished === true)
    if (!ours || made === undefined) {
      return { state: 'foreign', why: 'the audit log knows no such session, and it is not signed with the key' }
    }
    if (header.since !== null && made.createdAt < header.since) return { state: 'outside', why: 'older than the list' }
    const sameClock = processOf(subject!.gateway) === processOf(header.gateway)
    if (made.createdAt >= until - (sameClock ? 0 : CLOCKS_DIFFER_MS)) {
      return { state: 'outside', why: 'younger than the list' }
    }
    return { state: 'foreign', why: 'the audit log knows no such session' }
  }

  function compare(listed: ListedSession, found: Verification): Pick<CheckedRecording, 'state' | 'why'> {
    const [noted, other] = listed.seals
    if (other !== undefined) {
      return { state: 'twice-noted', why: `the log notes two seals of it: ${noted!.hash} and ${other.hash}` }
    }
    const { firstBad } = found
    const where =
      firstBad &&
      (firstBad.frame < 0 ? firstBad.why : `frame ${firstBad.frame} at byte ${firstBad.offset}: ${firstBad.why}`)
    if (noted === undefined) {
      if (!found.ok && found.unfinished !== true) return { state: 'altered', why: where ?? 'it cannot be read' }
      if (!ended(listed)) return { state: 'open', why: 'not sealed when the list was made' }
      return { state: 'unnoted', why: 'the session ended, and the log notes no seal of its recording' }
    }
    if (!found.ok) {
      if (found.unfinished === true) {
        return {
          state: 'cut',
          why: `its end is missing: ${found.bytes} of ${noted.bytes} bytes hold, and the seal is gone`,
        }
      }
      return { state: 'altered', why: where ?? 'it cannot be read' }
    }
    if (found.hash === noted.hash && found.bytes === noted.bytes) {
      return { state: 'good', why: `${found.frames} ${found.frames === 1 ? 'frame' : 'frames'}, ${found.reason}` }
    }
    const shorter = found.bytes < noted.bytes ? `, and ${noted.bytes - found.bytes} bytes shorter` : ''
    return { state: 'replaced', why: `sealed well, but not the recording that the log notes${shorter}` }
  }

  /** Why a session that has no file here should have one; undefined where it need not. */
  function missing(listed: ListedSession): string | undefined {
    if (listed.seals.length > 0) return `the log notes its seal (${listed.seals[0]!.bytes} bytes), and there is no file`
    if (listed.recorded && ended(listed)) return 'it was recorded, and there is no file'
    return undefined
  }

  /** Long enough before the list for everything of it to be in the log. */
  function ended({ endedAt }: ListedSession): boolean {
    return endedAt !== null && endedAt < until - ON_ITS_WAY_MS
  }
}

/** Whose place in the folder it is: by its name, or by what is in it where the name says nothing (a copy). */
function sessionOf(file: string, { subject }: Verification): string | undefined {
  const name = basename(file, EXTENSION)
  if (isRecordable(name)) return name
  const inside = subject?.session
  return inside !== undefined && isRecordable(inside) ? inside : undefined
}

/** A worker's id is its gateway's and a number. */
function processOf(gateway: string): string {
  return gateway.split('-', 1)[0]!
}
