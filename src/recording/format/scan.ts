/** Walks the bytes of a recording, in chunks of any size: checks lengths, order and the hash chain, and says where it broke. */

import {
  decodeHead,
  FRAME_DEFLATE,
  FRAME_HEAD_BYTES,
  FRAME_SEAL,
  FRAME_STORED,
  FRAME_ZSTD,
  frameLink,
  headerLink,
  headerSchema,
  LINK_BYTES,
  MAGIC,
  MAX_FRAME_BYTES,
  MAX_HEADER_BYTES,
  type RecordingHeader,
  type Seal,
  SIGNATURE_BYTES,
  sealSchema,
  TAG_BYTES,
} from './container.ts'

const KNOWN_TYPES: ReadonlySet<number> = new Set([FRAME_ZSTD, FRAME_STORED, FRAME_SEAL, FRAME_DEFLATE])

/** Where a recording is broken: the frame's number (-1: the header) and the offset at which it begins. */
export interface Fault {
  readonly frame: number
  readonly offset: number
  readonly why: string
}

interface FramePosition {
  readonly offset: number
  /** The link before this frame. */
  readonly previous: Buffer
  readonly head: Buffer
}

export type Part =
  | { readonly kind: 'header'; readonly header: RecordingHeader; readonly link: Buffer; readonly end: number }
  | ({ readonly kind: 'frame'; readonly body: Buffer; readonly link: Buffer; readonly end: number } & FramePosition)
  | ({ readonly kind: 'seal'; readonly json: Buffer; readonly seal: Seal; readonly signature: Buffer } & FramePosition)
  /** The file ends where a frame or the seal should begin: still being written, or interrupted. */
  | { readonly kind: 'unsealed'; readonly end: number; readonly frames: number }
  /** Nothing follows. `tornBytes` where the file ends inside of a frame. */
  | { readonly kind: 'fault'; readonly fault: Fault; readonly tornBytes?: number }

/**
 * Yields the header, the frames whose links hold, then one of seal, unsealed or fault. Frames are not decrypted and signatures
 * not checked here. After a seal a fault may follow, for bytes behind it. Memory: one frame.
 */
export async function* scan(chunks: AsyncIterable<Buffer>): AsyncGenerator<Part, void> {
  const source = new ByteSource(chunks)
  try {
    const start = await readHeader(source)
    yield start
    if (start.kind !== 'header') return
    let link = start.link
    for (let frame = 0; ; frame++) {
      const part = await readFrame(source, frame, link)
      yield part
      if (part.kind === 'seal') {
        const { offset } = source
        if ((await source.take(1)).length > 0) yield fault(frame + 1, offset, 'bytes after the seal')
      }
      if (part.kind !== 'frame') return
      link = part.link
    }
  } finally {
    await source.close()
  }
}

async function readHeader(source: ByteSource): Promise<Part & { kind: 'header' | 'fault' }> {
  const magic = await source.take(MAGIC.length)
  if (!magic.equals(MAGIC)) {
    const torn = magic.length < MAGIC.length && MAGIC.subarray(0, magic.length).equals(magic)
    return fault(
      -1,
      0,
      torn ? 'truncated in the header' : 'not a recording, or of a version unknown here',
      torn ? magic.length : undefined,
    )
  }
  const length = await source.take(4)
  if (length.length < 4) return fault(-1, 0, 'truncated in the header', source.offset)
  const size = length.readUInt32BE(0)
  if (size > MAX_HEADER_BYTES) return fault(-1, 0, 'the header is too long')
  const rest = await source.take(size + LINK_BYTES)
  if (rest.length < size + LINK_BYTES) return fault(-1, 0, 'truncated in the header', source.offset)
  const json = rest.subarray(0, size)
  const link = rest.subarray(size)
  if (!headerLink(length, json).equals(link)) return fault(-1, 0, 'the header was altered')
  const header = parseJson(json, headerSchema)
  if (header === undefined) return fault(-1, 0, 'the header cannot be read')
  return { kind: 'header', header, link, end: source.offset }
}

async function readFrame(source: ByteSource, frame: number, previous: Buffer): Promise<Part> {
  const { offset } = source
  const head = await source.take(FRAME_HEAD_BYTES)
  if (head.length === 0) return { kind: 'unsealed', end: offset, frames: frame }
  if (head.length < FRAME_HEAD_BYTES) return fault(frame, offset, 'truncated', source.offset - offset)
  const { length, type, seq } = decodeHead(head)
  if (length > MAX_FRAME_BYTES) return fault(frame, offset, 'altered: its length is too large')
  if (!KNOWN_TYPES.has(type)) return fault(frame, offset, 'altered: its type is unknown')
  if (seq !== frame) return fault(frame, offset, `missing or reordered: frame ${seq} stands in its place`)
  const place = { offset, previous, head }
  if (type === FRAME_SEAL) {
    const rest = await source.take(length + SIGNATURE_BYTES)
    if (rest.length < length + SIGNATURE_BYTES)
      return fault(frame, offset, 'truncated in the seal', source.offset - offset)
    const json = rest.subarray(0, length)
    const seal = parseJson(json, sealSchema)
    if (seal === undefined) return fault(frame, offset, 'the seal was altered: it cannot be read')
    if (seal.frames !== frame || seal.bytes !== offset || seal.link !== previous.toString('hex')) {
      return fault(frame, offset, 'the seal does not fit the frames before it')
    }
    return { kind: 'seal', ...place, json, seal, signature: rest.subarray(length) }
  }
  const rest = await source.take(length + TAG_BYTES + LINK_BYTES)
  if (rest.length < length + TAG_BYTES + LINK_BYTES) return fault(frame, offset, 'truncated', source.offset - offset)
  const body = rest.subarray(0, length + TAG_BYTES)
  const link = rest.subarray(length + TAG_BYTES)
  if (!frameLink(previous, head, body).equals(link)) return fault(frame, offset, 'altered')
  return { kind: 'frame', ...place, body, link, end: source.offset }
}

function fault(frame: number, offset: number, why: string, tornBytes?: number): Part & { kind: 'fault' } {
  return { kind: 'fault', fault: { frame, offset, why }, ...(tornBytes === undefined ? {} : { tornBytes }) }
}

function parseJson<T>(json: Buffer, schema: { safeParse(value: unknown): { data?: T | undefined } }): T | undefined {
  try {
    return schema.safeParse(JSON.parse(json.toString('utf8'))).data
  } catch {
    return undefined
  }
}

/** Returns exact numbers of bytes from chunks of any size. */
class ByteSource {
  readonly #chunks: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)
  offset = 0

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** `length` bytes, or fewer where the source ends. Grows only by what really came. */
  async take(length: number): Promise<Buffer> {
    const parts: Buffer[] = []
    let missing = length
    while (missing > 0) {
      if (this.#rest.length === 0) {
        const next = await this.#chunks.next()
        if (next.done === true) break
        this.#rest = next.value
        continue
      }
      const part = this.#rest.subarray(0, missing)
      this.#rest = this.#rest.subarray(part.length)
      missing -= part.length
      parts.push(part)
    }
    this.offset += length - missing
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }

  async close(): Promise<void> {
    await this.#chunks.return?.()
  }
}
