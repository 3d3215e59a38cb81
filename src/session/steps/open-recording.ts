/** The fifth step of the pipeline: the recorder is open before the first byte is relayed, and the session ends when it fails. */

import { wordsOf } from '../../policy/grant.ts'
import type { RecordingSubject } from '../../recording/format/events.ts'
import type { LiveRecordings } from '../../recording/store/live-recordings.ts'
import type { Recorder } from '../../recording/writing/recorder.ts'
import type { LiveSession } from '../live/live-sessions.ts'
import type { Downstream } from '../protocol.ts'
import { onceAborted } from '../session-end.ts'

/** Throws `RECORDING_UNAVAILABLE`. */
export async function openRecording(
  { recordings, gateway }: { recordings: LiveRecordings; gateway: string },
  downstream: Downstream,
  live: LiveSession,
): Promise<Recorder> {
  live.signal.throwIfAborted()
  const recorder = await recordings.open(subjectOf(live, downstream, gateway), live.grant.recording)
  onceAborted(recorder.failure, () => live.abort('recording-failed'))
  return recorder
}

/** What the recording's header says. */
function subjectOf(
  { grant, startedAt }: LiveSession,
  { source, protocol }: Downstream,
  gateway: string,
): RecordingSubject {
  const { session, user, role, request, database } = grant
  return {
    session,
    protocol,
    user,
    account: grant.account.name,
    target: grant.target.name,
    ...(database === undefined ? {} : { database }),
    role,
    ...(request === undefined ? {} : { request }),
    ...wordsOf(grant),
    source: source.address,
    gateway,
    startedAt,
  }
}
