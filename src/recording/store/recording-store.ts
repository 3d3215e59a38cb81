/** The port behind which recordings are kept, each under its session's id. `folder-store.ts` keeps them in the file system. */

import type { AppendableRecording } from '../writing/appendable-recording.ts'
import type { Markers } from './markers.ts'

export interface RecordingStore {
  /** The name under which it is kept, for people and for records. Throws `NOT_FOUND` for a malformed session id. */
  nameOf(session: string): string
  /** Makes a new recording that begins with these bytes; never over one that is there. */
  create(session: string, bytes: Buffer): Promise<AppendableRecording>
  /** How long ago its owner wrote to it or touched it, in milliseconds; undefined where there is none. */
  untouchedFor(session: string): Promise<number | undefined>
  /** Undefined where there is none. Throws `RECORDING_DAMAGED` for what is no recording's file or is reached by a link. */
  open(session: string, to: 'read' | 'seal'): Promise<StoredRecording | undefined>
  /** Its bytes from the beginning. Throws `NOT_FOUND` and `RECORDING_DAMAGED` from the iteration. */
  read(session: string): AsyncIterable<Buffer>
  /** Takes what never became a recording out of its place, and keeps it beside. */
  putAside(session: string): Promise<void>
  readonly markers: Markers
}

export interface StoredRecording {
  size(): Promise<number>
  /** At most `length` bytes from `offset` on; none at the end. */
  readAt(offset: number, length: number): Promise<Buffer>
  /** All bytes from there on. */
  bytesFrom(offset?: number): AsyncIterable<Buffer>
  /**
   * Ends the recording, which has `size` bytes, with `seal` behind its first `end` ones, durably. What is cut off for that is kept beside
   * it first. Throws `CONFLICT` where it has another size by now. Only where it was opened to seal.
   */
  sealAt(end: number, seal: Buffer, size: number): Promise<void>
  close(): Promise<void>
}
