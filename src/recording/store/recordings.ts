/** All recordings of a gateway: also those that others write or have left, and what is read of them. */

import type { Clock } from '../../shared/clock.ts'
import type { Sealer } from '../../shared/cryptography/sealer.ts'
import type { Signer } from '../../shared/cryptography/signer.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Metrics } from '../../shared/metrics.ts'
import { MAGIC } from '../format/container.ts'
import { makeRecordingKeys } from '../format/recording-keys.ts'
import { createLiveRecordings, KEEP_MS, type LiveRecordings } from './live-recordings.ts'
import { type Recording, readRecordingStream } from './reader.ts'
import type { RecordingStore, StoredRecording } from './recording-store.ts'
import { type FoundSeal, hasSealAtEnd, sealUnfinished } from './seal-interrupted.ts'
import { type Verification, verifyBytes } from './verify.ts'

/** A file that nobody touched for this long has no owner any more. */
const UNTOUCHED_MS = 2 * KEEP_MS

export interface Recordings extends LiveRecordings {
  /** Throws `NOT_FOUND` and `RECORDING_DAMAGED`. */
  read(session: string): Promise<Recording>
  /**
   * The file as it is, to be given away: the caller closes it. Throws `NOT_FOUND`, and `RECORDING_DAMAGED` for what is no recording or is
   * reached by a link: it could be any file that the gateway may read.
   */
  openFile(session: string): Promise<StoredRecording>
  /** Checks chain, seal and signature. Throws `NOT_FOUND`, and `RECORDING_DAMAGED` for what is no file. */
  verify(session: string): Promise<Verification>
  /**
   * Recordings with a marker that nobody has touched for a while: without a seal, or with one that the session records do not have yet. Those
   * that this gateway writes are left out.
   */
  findUnsealed(): Promise<UnsealedRecording[]>
  /**
   * Seals one as interrupted, or gives the seal that is there. Undefined when there was nothing to seal, another gateway is at it, or its
   * owner touched it a moment ago (`force`: it is known to be gone). One that cannot be sealed now is logged, and found again later.
   * Throws `RECORDING_DAMAGED` for what must never be signed. It is the caller's then until `noted` or `release`.
   */
  sealInterrupted(recording: Pick<UnsealedRecording, 'session'>, force?: 'force'): Promise<FoundSeal | undefined>
  /**
   * Compares a recording whose seal is in the session records with this hash. Undefined when another gateway is at it; otherwise it is the
   * caller's until `noted` or `release`.
   */
  compare(session: string, hash: string): Promise<SealComparison | undefined>
  /**
   * The seal of a recording whose owner is gone, read only; undefined where there is none that holds. A recording without one is not
   * read to its end for that.
   */
  sealOf(session: string): Promise<FoundSeal | undefined>
  /** Makes a marker, where there is a recording: its seal is not in the session records. */
  mark(session: string): Promise<void>
  /** The seal is in the session records: nobody needs to look for it any more. */
  noted(session: string): Promise<void>
  /** What was taken up could not be brought to an end: it is found again. */
  release(session: string): Promise<void>
}

export interface UnsealedRecording {
  readonly session: string
  /** Relative to the folder. */
  readonly file: string
}

/** `found`: the last link that holds in the file; undefined where there is no recording. */
export type SealComparison =
  | { readonly same: true }
  | { readonly same: false; readonly found: string | undefined; readonly why: string }

export function createRecordings(parts: {
  recordingStore: RecordingStore
  seal: Sealer
  signer: Signer
  clock: Clock
  metrics?: Pick<Metrics, 'recorderLag'>
  log?: Log
}): Recordings {
  const { recordingStore, seal, signer, clock, log } = parts
  const { markers } = recordingStore
  const live = createLiveRecordings({ ...parts, keysFor: session => makeRecordingKeys(session, seal) })

  function verify(session: string): Promise<Verification> {
    return verifyBytes(recordingStore.read(session), signer.publicKeyPem)
  }

  async function present(session: string): Promise<StoredRecording> {
    const stored = await recordingStore.open(session, 'read')
    if (stored === undefined) throw new GatewayError('NOT_FOUND', 'There is no such recording.')
    return stored
  }

  return {
    ...live,

    async read(session) {
      return readRecordingStream(recordingStore.read(session), seal.openBytes)
    },

    async openFile(session) {
      const stored = await present(session)
      const begin = await stored.readAt(0, MAGIC.length).catch(async error => {
        await stored.close()
        throw error
      })
      if (begin.equals(MAGIC)) return stored
      await stored.close()
      throw new GatewayError('RECORDING_DAMAGED', 'What lies in the place of the recording is not one.')
    },

    verify,

    async findUnsealed() {
      const found: UnsealedRecording[] = []
      for (const session of await markers.list(UNTOUCHED_MS)) {
        if (live.writes(session)) continue
        const untouched = await recordingStore.untouchedFor(session)
        if (untouched === undefined || untouched >= UNTOUCHED_MS)
          found.push({ session, file: recordingStore.nameOf(session) })
      }
      return found
    },

    async sealInterrupted({ session }, force) {
      const untouched = await recordingStore.untouchedFor(session)
      if (live.writes(session)) return undefined
      if (untouched === undefined) {
        await markers.remove(session)
        return undefined
      }
      if (force === undefined && untouched < UNTOUCHED_MS) return undefined
      if (!(await markers.claim(session))) return undefined
      try {
        const sealed = await sealUnfinished(
          { recordingStore, session, openBytes: seal.openBytes, signer, clock },
          'interrupted',
        )
        if (sealed === undefined) await markers.remove(session)
        return sealed
      } catch (error) {
        if (error instanceof GatewayError && error.code === 'RECORDING_DAMAGED') throw error
        markers.leave(session)
        log?.error({ err: error, session }, 'an interrupted recording cannot be sealed now')
        return undefined
      }
    },

    async compare(session, hash) {
      if (live.writes(session) || !(await markers.claim(session))) return undefined
      try {
        const stored = await recordingStore.open(session, 'read')
        if (stored === undefined) return { same: false, found: undefined, why: 'the recording is missing' }
        await stored.close()
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error
        return { same: false, found: undefined, why: error.message }
      }
      const { ok, subject, hash: found, firstBad } = await verify(session)
      if (ok && found === hash && subject?.session === session) return { same: true }
      const why = ok ? 'it is another recording than the one that was sealed' : (firstBad?.why ?? 'it is not whole')
      return { same: false, found, why }
    },

    async sealOf(session) {
      if (live.writes(session)) return undefined
      if (!(await hasSealAtEnd(recordingStore, session, signer.publicKeyPem))) return undefined
      const { ok, subject, bytes, hash, reason, endedAt } = await verify(session)
      if (!ok || subject?.session !== session) return undefined
      return { file: recordingStore.nameOf(session), bytes, hash: hash!, reason: reason!, endedAt: endedAt! }
    },

    async mark(session) {
      if ((await recordingStore.untouchedFor(session)) === undefined) return
      await markers.make(session).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error
      })
    },

    noted: session => markers.remove(session),
    release: session => markers.release(session),
  }
}
