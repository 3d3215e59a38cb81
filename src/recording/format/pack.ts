/** Compression of batches, by what costs least for their size, and its bounded undoing. */

import { promisify } from 'node:util'
import {
  constants,
  deflateRawSync,
  inflateRawSync,
  zstdCompress,
  zstdCompressSync,
  zstdDecompress,
  zstdDecompressSync,
} from 'node:zlib'
import { FRAME_DEFLATE, FRAME_STORED, FRAME_ZSTD, MAX_PLAIN_BYTES } from './container.ts'

const inThreadPool = { compress: promisify(zstdCompress), decompress: promisify(zstdDecompress) }
/** Below, packing costs more (10 µs, measured, and garbage) than the room is worth: facts that are alike are small without it. */
const MIN_BYTES = 1024
/** Up to here deflate takes half of zstd's time and packs as well, measured: zstd's context is the larger part of it. */
const DEFLATE_BYTES = 3 * 1024
/** Up to here the way to the thread pool and back (140 µs) costs more than the work (50 µs), measured. */
const SYNC_BYTES = 64 * 1024

export interface Packed {
  readonly type: typeof FRAME_DEFLATE | typeof FRAME_STORED | typeof FRAME_ZSTD
  readonly payload: Buffer
}

/** `bytes` themselves are the payload where they are better stored as they are. */
export async function pack(bytes: Buffer): Promise<Packed> {
  const stored: Packed = { type: FRAME_STORED, payload: bytes }
  if (bytes.length < MIN_BYTES) return stored
  const packed = bytes.length <= DEFLATE_BYTES ? deflated(bytes) : await zstd(bytes)
  return packed.payload.length < bytes.length ? packed : stored
}

function deflated(bytes: Buffer): Packed {
  const options = { level: 1, windowBits: 13, memLevel: 6, chunkSize: onePiece(bytes) }
  return { type: FRAME_DEFLATE, payload: deflateRawSync(bytes, options) }
}

async function zstd(bytes: Buffer): Promise<Packed> {
  const options = { params: { [constants.ZSTD_c_compressionLevel]: 1 }, chunkSize: onePiece(bytes) }
  const inTurn = bytes.length <= SYNC_BYTES
  const payload = inTurn ? zstdCompressSync(bytes, options) : await inThreadPool.compress(bytes, options)
  return { type: FRAME_ZSTD, payload }
}

/** One piece of output: a third of the time of many small ones. */
function onePiece(bytes: Buffer): number {
  return bytes.length + (bytes.length >> 8) + 128
}

/** Undefined for what does not unpack, or unpacks to more than a frame may hold. */
export async function unpack(type: number, payload: Buffer): Promise<Buffer | undefined> {
  const options = { maxOutputLength: MAX_PLAIN_BYTES }
  try {
    if (type === FRAME_DEFLATE) return inflateRawSync(payload, options)
    if (type !== FRAME_ZSTD) return payload.length <= MAX_PLAIN_BYTES ? payload : undefined
    return payload.length <= SYNC_BYTES
      ? zstdDecompressSync(payload, options)
      : await inThreadPool.decompress(payload, options)
  } catch {
    return undefined
  }
}
