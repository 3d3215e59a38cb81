/** Following a recording while it is written: the file itself is the buffer, the writer only says when it has grown. */

import type { RecordingWriter } from '../writing/writer.ts'
import type { StoredRecording } from './recording-store.ts'

const CHUNK_BYTES = 64 * 1024

/** The recording from its beginning and everything that is appended to it, until the seal, a failure of the recording, or `stop`. */
export async function* followWriter(
  writer: RecordingWriter,
  openToRead: () => Promise<StoredRecording>,
  stop?: AbortSignal,
): AsyncGenerator<Buffer, void> {
  const stored = await openToRead()
  let grown = Promise.withResolvers<void>()
  const wake = () => grown.resolve()
  const unwatch = writer.watch(wake)
  stop?.addEventListener('abort', wake)
  try {
    for (let offset = 0; stop?.aborted !== true; ) {
      grown = Promise.withResolvers<void>()
      const length = Math.min(CHUNK_BYTES, writer.written - offset)
      if (length > 0) {
        const bytes = await stored.readAt(offset, length)
        if (bytes.length === 0) return
        offset += bytes.length
        yield bytes
      } else if (writer.ended) return
      else await grown.promise
    }
  } finally {
    unwatch()
    stop?.removeEventListener('abort', wake)
    await stored.close()
  }
}
