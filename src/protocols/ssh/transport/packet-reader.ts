/** Reads packets of AES-GCM (RFC 5647) in place of ssh2: where they came, or in memory that is used again, so that bulk leaves no garbage. */

import { MESSAGE } from './messages.ts'
import { type PacketBuffer, takePacketBuffer } from './packet-buffers.ts'

const LENGTH_BYTES = 4
const TAG_BYTES = 16
const BLOCK_BYTES = 16
/** With length and tag: what ssh2 takes at most, which is more than RFC 4253 asks for. */
const MOST_BYTES = 35_000

/** What ssh2 has for the direction in: a state of the stream, and the callback for what was decrypted. */
export interface Decipher {
  inSeqno: number
  _onPayload(payload: Buffer): unknown
  /** Reads `data[from..end)`; gives where another decipher is to go on, or undefined where all was read. */
  decrypt(data: Buffer, from: number, end: number): number | undefined
}

/** Its native one for AES-GCM, of which `decrypt` is not used. */
export interface GcmDecipher extends Decipher {
  readonly _instance: { decrypt(packet: Buffer, length: number, tag: Buffer): void }
}

export class PacketReader {
  readonly #decipher: GcmDecipher
  readonly #mayReuse: () => boolean
  /** Of a packet that has not come whole: its length, and then all of it. */
  readonly #length = Buffer.alloc(LENGTH_BYTES)
  #packet: Buffer = this.#length
  #filled = 0
  #pooled: PacketBuffer | undefined

  /** `mayReuse`: whether the payload of a data message is no longer needed when the callback has returned. */
  constructor(decipher: GcmDecipher, mayReuse: () => boolean) {
    this.#decipher = decipher
    this.#mayReuse = mayReuse
  }

  /** As {@link Decipher.decrypt}. Decrypts in `data` itself, and keeps nothing of it. Throws at a length that cannot be, or a wrong tag. */
  decrypt(data: Buffer, from: number, end: number): number | undefined {
    for (let at = from; at < end; ) {
      const bytes = this.#filled === 0 && end - at >= LENGTH_BYTES ? packetBytes(data.readUInt32BE(at)) : 0
      const whole = bytes > 0 && end - at >= bytes
      if (whole) at += bytes
      else {
        at = this.#gather(data, at, end)
        if (this.#packet === this.#length || this.#filled < this.#packet.length) continue
      }
      const result = whole ? this.#open(data.subarray(at - bytes, at)) : this.#openGathered()
      if (result !== undefined) return result === false ? at : Number(result)
    }
    return undefined
  }

  /** Takes what is missing of the length, or of the packet; gives where that ends. */
  #gather(data: Buffer, from: number, end: number): number {
    const to = Math.min(end, from + this.#packet.length - this.#filled)
    data.copy(this.#packet, this.#filled, from, to)
    this.#filled += to - from
    if (this.#packet === this.#length && this.#filled === LENGTH_BYTES) {
      const bytes = packetBytes(this.#length.readUInt32BE(0))
      this.#pooled = this.#mayReuse() ? takePacketBuffer(bytes) : undefined
      this.#packet = this.#pooled?.memory.subarray(0, bytes) ?? Buffer.allocUnsafe(bytes)
      this.#length.copy(this.#packet)
    }
    return to
  }

  #openGathered(): unknown {
    const packet = this.#packet
    const pooled = this.#pooled
    this.#packet = this.#length
    this.#filled = 0
    this.#pooled = undefined
    const result = this.#open(packet)
    pooled?.release()
    return result
  }

  #open(packet: Buffer): unknown {
    const decipher = this.#decipher
    const tagAt = packet.length - TAG_BYTES
    const plain = packet.subarray(LENGTH_BYTES, tagAt)
    decipher._instance.decrypt(plain, plain.length, packet.subarray(tagAt))
    const end = plain.length - plain[0]!
    if (end < 1) throw new Error('Bad padding length')
    decipher.inSeqno = (decipher.inSeqno + 1) >>> 0
    const payload = plain.subarray(1, end)
    return decipher._onPayload(isData(payload) || !this.#mayReuse() ? payload : Buffer.from(payload))
  }
}

function isData(payload: Buffer): boolean {
  return payload[0] === MESSAGE.CHANNEL_DATA || payload[0] === MESSAGE.CHANNEL_EXTENDED_DATA
}

function packetBytes(length: number): number {
  const bytes = LENGTH_BYTES + length + TAG_BYTES
  if (bytes > MOST_BYTES || length < BLOCK_BYTES || length % BLOCK_BYTES !== 0) {
    throw new Error(`Bad packet length: ${length}`)
  }
  return bytes
}
