/** Compression of batches with zstd, and its bounded undoing. */

import { promisify } from 'node:util'
import { constants, zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync } from 'node:zlib'
import { MAX_PLAIN_BYTES } from './container.ts'

const inThreadPool = { compress: promisify(zstdCompress), decompress: promisify(zstdDecompress) }
/** Below, packing gains nothing. */
const MIN_BYTES = 128
/** Up to here the way to the thread pool and back (140 µs) costs more than the work (50 µs), measured. */
const SYNC_BYTES = 64 * 1024

/** Undefined where the bytes are better stored as they are. */
export async function compress(bytes: Buffer): Promise<Buffer | undefined> {
  if (bytes.length < MIN_BYTES) return undefined
  const options = {
    params: { [constants.ZSTD_c_compressionLevel]: 1 },
    // One piece of output: a third of the time of many small ones.
    chunkSize: bytes.length + (bytes.length >> 8) + 128,
  }
  const packed =
    bytes.length <= SYNC_BYTES ? zstdCompressSync(bytes, options) : await inThreadPool.compress(bytes, options)
  return packed.length < bytes.length ? packed : undefined
}

/** Undefined for what does not unpack, or unpacks to more than a frame may hold. */
export async function decompress(packed: Buffer): Promise<Buffer | undefined> {
  const options = { maxOutputLength: MAX_PLAIN_BYTES }
  try {
    return packed.length <= SYNC_BYTES
      ? zstdDecompressSync(packed, options)
      : await inThreadPool.decompress(packed, options)
  } catch {
    return undefined
  }
}
