/** The recordings that this process writes: opens one for a session, keeps them alive, and lets them be followed. */

import { createSecretKey } from 'node:crypto'
import type { Clock } from '../../shared/clock.ts'
import { signingKeyId } from '../../shared/cryptography/signer.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Metrics } from '../../shared/metrics.ts'
import type { Promptness } from '../../shared/vocabulary.ts'
import { encodeHeader } from '../format/container.ts'
import type { RecordingSubject } from '../format/events.ts'
import { Protector } from '../format/protected-part.ts'
import type { RecordingKeys } from '../format/recording-keys.ts'
import type { SealSigner } from '../format/seal.ts'
import { Pace } from '../writing/pace.ts'
import type { Recorder } from '../writing/recorder.ts'
import { RecordingWriter } from '../writing/writer.ts'
import { followWriter } from './follow.ts'
import type { RecordingStore, StoredRecording } from './recording-store.ts'

/** Every open recording is touched this often, so that others can tell that it is owned. */
export const KEEP_MS = 5000

export interface LiveRecordings {
  /** The file's name relative to the folder: known before the recording is opened. Throws `NOT_FOUND` for a malformed session id. */
  fileOf(subject: Pick<RecordingSubject, 'session'>): string
  /**
   * Makes the file and writes its header. `promptness`: what may be shown before it is written (`within-bound`, if not given).
   * Throws `RECORDING_UNAVAILABLE`: the session must then be refused.
   */
  open(subject: RecordingSubject, promptness?: Promptness): Promise<Recorder>
  /**
   * The bytes of a recording that this process writes now: the whole file so far, then each frame as it is written, then the seal.
   * Undefined when the session does not run here. A slow reader holds nothing up and misses nothing. `stop` ends the waiting.
   */
  tap(session: string, stop?: AbortSignal): AsyncIterable<Buffer> | undefined
  /** Whether this process writes it now. */
  writes(session: string): boolean
}

export interface LiveRecordingsParts {
  readonly recordingStore: RecordingStore
  /** New ones, for this session. */
  readonly keysFor: (session: string) => RecordingKeys | Promise<RecordingKeys>
  readonly signer: SealSigner
  readonly clock: Clock
  readonly metrics?: Pick<Metrics, 'recorderLag'>
  readonly log?: Log
}

export function createLiveRecordings(parts: LiveRecordingsParts): LiveRecordings {
  const { recordingStore, keysFor, signer, clock, metrics, log } = parts
  const { markers } = recordingStore
  const writers = new Map<string, RecordingWriter>()
  const pace = new Pace()
  let keeping = false

  /** One round: says that all are owned, then syncs one after the other, so that other work finds a free thread. */
  async function keep(): Promise<void> {
    await Promise.all(Array.from(writers.values(), writer => writer.touch()))
    for (const writer of writers.values()) await writer.sync()
    keeping = false
    keepLater()
  }

  /** One timer for all recordings, and none without any. */
  function keepLater(): void {
    if (keeping || writers.size === 0) return
    keeping = true
    setTimeout(keep, KEEP_MS).unref()
  }

  async function create(subject: RecordingSubject, promptness: Promptness): Promise<RecordingWriter> {
    const { session, startedAt } = subject
    const keys = await keysFor(session)
    const { bytes, link } = encodeHeader({
      subject,
      key: keys.data.sealed,
      signingKey: signingKeyId(signer.publicKeyPem),
      createdAt: clock.now(),
    })
    // The marker first: a crash in between leaves a marker without a recording, never a recording that nobody will seal.
    await markers.make(session)
    const file = await recordingStore.create(session, bytes).catch(async error => {
      await markers.remove(session)
      throw error
    })
    return new RecordingWriter({
      ...{
        file,
        name: recordingStore.nameOf(session),
        session,
        startedAt,
        key: createSecretKey(keys.data.key),
        link,
        signer,
        clock,
        promptness,
        pace,
      },
      protector: new Protector(session, keys.protected),
      lag: bytes => metrics?.recorderLag.inc(bytes),
      closed: () => void writers.delete(session),
    })
  }

  async function present(session: string): Promise<StoredRecording> {
    const stored = await recordingStore.open(session, 'read')
    if (stored === undefined) throw new GatewayError('NOT_FOUND', 'There is no such recording.')
    return stored
  }

  return {
    fileOf: ({ session }) => recordingStore.nameOf(session),

    async open(subject, promptness = 'within-bound') {
      try {
        const writer = await create(subject, promptness)
        writers.set(subject.session, writer)
        writer.failure.addEventListener('abort', () => {
          log?.error({ err: writer.failure.reason, session: subject.session }, 'a recording failed')
        })
        keepLater()
        return writer
      } catch (cause) {
        throw new GatewayError('RECORDING_UNAVAILABLE', 'The session cannot be recorded.', { cause })
      }
    },

    tap(session, stop) {
      const writer = writers.get(session)
      return writer === undefined ? undefined : followWriter(writer, () => present(session), stop)
    },

    writes: session => writers.has(session),
  }
}
