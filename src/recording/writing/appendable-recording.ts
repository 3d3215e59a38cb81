/** What a recording is to its one writer: only ever appended to. `append-file.ts` is the one of the file system. */

export interface AppendableRecording {
  /** Bytes that were written whole: a frame is in it or not. */
  readonly length: number
  /**
   * Throws when not all of it was taken, or when somebody else wrote to the recording, sealed it or removed it: that is noticed within
   * a second, and always where it is the `last` that is written.
   */
  append(bytes: Buffer, last?: boolean): Promise<void>
  /** Makes durable what was written since the last time. */
  sync(): Promise<void>
  /** Shows others that it is still owned, where nothing was written lately. */
  touch(): Promise<void>
  /** Calls `listener` when it has grown, until the returned function is called. */
  watch(listener: () => void): () => void
  /** Calls the listeners. */
  wake(): void
  close(): Promise<void>
}
