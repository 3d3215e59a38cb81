/** The port through which a session is recorded. `writer.ts` implements it; protocols only ever see this. */

import type { Promptness } from '../../shared/vocabulary.ts'
import type { FactEvent, ProtectedPart, StreamEvent } from '../format/events.ts'

/** Published: how much of terminals and statements may be relayed and not written yet, and for how long. */
export const SHOWN_BOUND_BYTES = 64 * 1024
export const SHOWN_BOUND_MS = 50
/** Published: the same for bulk (output of commands, COPY, files), in bytes. */
export const BULK_BOUND_BYTES = 1024 * 1024
/** Of bulk that is not kept, a fact says after so many bytes how much has passed; the rest of the bound is for while that is written. */
export const BULK_NOTE_BYTES = 768 * 1024

export interface Recorder {
  readonly promptness: Promptness
  /** Stream bytes; copied or consumed before it returns, so the caller may reuse the buffer. Never blocks. `bulk`: for its bound. */
  stream(type: StreamEvent['type'], channel: number, bytes: Buffer, bulk?: boolean): void
  /** The same for standard input, as bulk, that only those may read who have the right to. */
  hiddenInput(channel: number, bytes: Buffer): void
  /**
   * A fact, how many milliseconds ago it happened, of how many bytes it tells that were counted, and what of it only those may read
   * who have the right to. Never blocks.
   */
  fact(event: FactEvent, ago?: number, counted?: number, whole?: ProtectedPart): void
  /** So many bytes of bulk are relayed of which nothing is kept: when {@link noteDue}, facts (`relayed`) are to tell of all of them. */
  count(bytes: number): void
  readonly noteDue: boolean
  /** Hands what was given so far to the operating system without waiting for more. Returns at once. */
  flush(): void
  /** How much has been given so far: the place of what comes next. */
  readonly position: number
  /**
   * Whether bytes may be relayed whose events were given up to `position`. `unrecorded`: so many bytes more are relayed, or would
   * be by this, of which the recorder has not heard yet. Never again once recording has failed.
   */
  mayPass(position: number, unrecorded?: number): boolean
  /** Resolves when more has been written, or recording has failed. */
  progress(): Promise<void>
  /** Aborted, with a GatewayError `RECORDING_FAILED` as its reason, at the first write that fails: the session must end. */
  readonly failure: AbortSignal
  /** Writes the seal and closes the file. Returns what the seal signs, for the session's row and the audit log. */
  seal(reason: string): Promise<SealedRecording>
}

export interface SealedRecording {
  readonly file: string
  readonly bytes: number
  /** SHA-256 of the chain's last link, hex. */
  readonly hash: string
}
