/** The port through which a session is recorded. `writer.ts` implements it; protocols only ever see this. */

import type { FactEvent, StreamEvent } from './events.ts'

export interface Recorder {
  /** Stream bytes; copied or consumed before it returns, so the caller may reuse the buffer. Never blocks. */
  stream(type: StreamEvent['type'], channel: number, bytes: Buffer): void
  /** A fact, and how many milliseconds ago it happened. Never blocks. */
  fact(event: FactEvent, ago?: number): void
  /**
   * True while more than the published bound (`RECORDER_BOUND_BYTES`) waits for the disk: stop reading from both sides until
   * `drained()` resolves. It also resolves when recording has failed.
   */
  readonly behind: boolean
  drained(): Promise<void>
  /** Aborted, with a GatewayError `RECORDING_FAILED` as its reason, at the first write that fails: the session must end. */
  readonly failure: AbortSignal
  /** Writes the seal and closes the file. Gives what the seal signs, for the session's row and the audit log. */
  seal(reason: string): Promise<SealedRecording>
}

export interface SealedRecording {
  readonly file: string
  readonly bytes: number
  /** SHA-256 of the chain's last link, hex. */
  readonly hash: string
}

/** How many bytes may wait to be written before bytes stop flowing. */
export const RECORDER_BOUND_BYTES = 8 * 1024 * 1024
