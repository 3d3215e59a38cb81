/** Following a recording while it is written: the file itself is the buffer, the writer only says when it has grown. */

import { open } from 'node:fs/promises'
import type { RecordingWriter } from '../writing/writer.ts'

const CHUNK_BYTES = 64 * 1024

/** The file from its beginning and everything that is appended to it, until the seal, a failure of the recording, or `stop`. */
export async function* followWriter(
  writer: RecordingWriter,
  path: string,
  stop?: AbortSignal,
): AsyncGenerator<Buffer, void> {
  const file = await open(path, 'r')
  let grown = Promise.withResolvers<void>()
  const wake = () => grown.resolve()
  const unwatch = writer.watch(wake)
  stop?.addEventListener('abort', wake)
  try {
    for (let offset = 0; stop?.aborted !== true; ) {
      grown = Promise.withResolvers<void>()
      const length = Math.min(CHUNK_BYTES, writer.written - offset)
      if (length > 0) {
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, offset)
        if (bytesRead === 0) return
        offset += bytesRead
        yield buffer.subarray(0, bytesRead)
      } else if (writer.ended) return
      else await grown.promise
    }
  } finally {
    unwatch()
    stop?.removeEventListener('abort', wake)
    await file.close()
  }
}
