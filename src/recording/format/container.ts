/** The bytes of a recording file, in and out of buffers: magic, header, frames, seal. See docs/recording-format.md. */

import { createCipheriv, createDecipheriv, createHash, hash, type KeyObject } from 'node:crypto'
import { z } from 'zod'

/** The first 9 bytes: the name of the format and its version. */
export const MAGIC = Buffer.from('SALLYREC\x01', 'latin1')

/** Of AES-256. */
export const KEY_BYTES = 32
export const LINK_BYTES = 32
export const TAG_BYTES = 16
export const SIGNATURE_BYTES = 64
export const FRAME_HEAD_BYTES = 9

/** What a reader accepts at most; checked before anything is allocated. */
export const MAX_HEADER_BYTES = 64 * 1024
export const MAX_FRAME_BYTES = 1024 * 1024
/** What a frame may unpack to at most. */
export const MAX_PLAIN_BYTES = 1024 * 1024

/** A frame's type: a batch of events, compressed with zstd, stored as it is or compressed with deflate, or the seal. */
export const FRAME_ZSTD = 1
export const FRAME_STORED = 2
export const FRAME_SEAL = 3
export const FRAME_DEFLATE = 4

const SEAL_CONTEXT = Buffer.from('sallyport recording seal 1\0', 'latin1')
const PLACE_OF_LINK = Buffer.alloc(LINK_BYTES)

const count = z.number().int().nonnegative()

/** The header is in the clear, so that a recording can be listed and verified without the vault. */
export const headerSchema = z.object({
  subject: z.object({
    session: z.string(),
    protocol: z.string(),
    user: z.string(),
    account: z.string(),
    target: z.string(),
    database: z.string().optional(),
    role: z.string(),
    /** The approved request that the session rests on. */
    request: z.string().optional(),
    /** Why, and by which ticket, as the user said at the login. */
    reason: z.string().optional(),
    ticket: z.string().optional(),
    source: z.string(),
    gateway: z.string(),
    startedAt: z.number(),
  }),
  /** The recording's data key, sealed by the vault for the purpose `recording <session>`. */
  key: z.string(),
  /** Which key will sign the seal: SHA-256 of its public half (SubjectPublicKeyInfo, DER), hex. */
  signingKey: z.string(),
  createdAt: z.number(),
})
export type RecordingHeader = z.output<typeof headerSchema>

/** What is signed at the end. `link` is the last frame's (or the header's, when there is no frame), hex. */
export const sealSchema = z.object({
  session: z.string(),
  frames: count,
  link: z.string(),
  /** Length of the file before the seal. */
  bytes: count,
  endedAt: z.number(),
  reason: z.string(),
  signingKey: z.string(),
  /** Bytes of a frame that was never finished, cut off when an interrupted recording was sealed. */
  cutBytes: count.optional(),
})
export type Seal = z.output<typeof sealSchema>

export interface FrameHead {
  /** Bytes of ciphertext, or of the seal's JSON. */
  readonly length: number
  readonly type: number
  /** 0, 1, 2, …; the seal has the number of frames before it. */
  readonly seq: number
}

export function encodeHead({ length, type, seq }: FrameHead): Buffer {
  const head = Buffer.allocUnsafe(FRAME_HEAD_BYTES)
  head.writeUInt32BE(length, 0)
  head.writeUInt8(type, 4)
  head.writeUInt32BE(seq, 5)
  return head
}

export function decodeHead(bytes: Buffer): FrameHead {
  return { length: bytes.readUInt32BE(0), type: bytes.readUInt8(4), seq: bytes.readUInt32BE(5) }
}

/** The first bytes of a file, and the chain's first link, which ends them. */
export function encodeHeader(header: RecordingHeader): { bytes: Buffer; link: Buffer } {
  const json = Buffer.from(JSON.stringify(header), 'utf8')
  const length = Buffer.allocUnsafe(4)
  length.writeUInt32BE(json.length, 0)
  const link = headerLink(length, json)
  return { bytes: Buffer.concat([MAGIC, length, json, link]), link }
}

export function headerLink(length: Buffer, json: Buffer): Buffer {
  return createHash('sha256').update(MAGIC).update(length).update(json).digest()
}

/** A frame's link: SHA-256 of the link before it and of everything in the frame but the link itself. */
export function frameLink(previous: Buffer, head: Buffer, ciphertextAndTag: Buffer): Buffer {
  return hash('sha256', Buffer.concat([previous, head, ciphertextAndTag]), 'buffer')
}

export interface FrameContext {
  readonly key: Buffer | KeyObject
  readonly session: string
  /** The link of the frame before. */
  readonly previous: Buffer
}

/** Encrypts a batch (already compressed, or not: `type` says) into a whole frame; `parts` are to be written in order. */
export function encodeFrame(payload: Buffer, type: number, seq: number, context: FrameContext) {
  const head = encodeHead({ length: payload.length, type, seq })
  const cipher = createCipheriv('aes-256-gcm', context.key, nonceOf(seq))
  cipher.setAAD(additionalData(head, context))
  const ciphertext = cipher.update(payload)
  cipher.final()
  const tag = cipher.getAuthTag()
  // All that the link is over, in one piece, and then the link.
  const linked = Buffer.concat([context.previous, head, ciphertext, tag, PLACE_OF_LINK])
  const link = hash('sha256', linked.subarray(0, -LINK_BYTES), 'buffer')
  link.copy(linked, linked.length - LINK_BYTES)
  return { bytes: linked.subarray(LINK_BYTES), link }
}

/** Returns the payload, or undefined when the tag does not fit: another key, another place, or altered bytes. */
export function decryptFrame(head: Buffer, ciphertextAndTag: Buffer, context: FrameContext): Buffer | undefined {
  const { length, seq } = decodeHead(head)
  const decipher = createDecipheriv('aes-256-gcm', context.key, nonceOf(seq), { authTagLength: TAG_BYTES })
  decipher.setAAD(additionalData(head, context))
  decipher.setAuthTag(ciphertextAndTag.subarray(length))
  const payload = decipher.update(ciphertextAndTag.subarray(0, length))
  try {
    decipher.final()
    return payload
  } catch {
    return undefined
  }
}

/** One data key encrypts one file, and a sequence number is used once in it. */
function nonceOf(seq: number): Buffer {
  const nonce = Buffer.allocUnsafe(12).fill(0)
  nonce.writeUInt32BE(seq, 8)
  return nonce
}

function additionalData(head: Buffer, { session, previous }: FrameContext): Buffer {
  return Buffer.concat([head, previous, Buffer.from(session, 'utf8')])
}

/** What the signature of a seal covers. The context keeps it apart from everything else that the same key signs. */
export function sealedBytes(previous: Buffer, head: Buffer, json: Buffer): Buffer {
  return Buffer.concat([SEAL_CONTEXT, previous, head, json])
}

/** What the vault seals a recording's data key for. */
export function dataKeyPurpose(session: string): string {
  return `recording ${session}`
}
