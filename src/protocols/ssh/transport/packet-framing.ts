/** Puts a payload into an SSH packet (RFC 4253 §6): length, padding, and room for the tag that encryption in place fills. */

import { randomFillSync } from 'node:crypto'
import { CIPHER_INFO, type Cipher, MAC_INFO } from './ssh2-internals.ts'

export class PacketFraming {
  /** What the padded part is a multiple of. */
  readonly #block: number
  /** Bytes at the start that are not encrypted in blocks: the length, for authenticated ciphers and encrypt-then-MAC. */
  readonly #clearBytes: number
  readonly #tagBytes: number

  /** For the direction out, after a key exchange. */
  constructor(cipher: Cipher, names: { cipher: string; mac: string }) {
    const info = CIPHER_INFO[names.cipher]!
    this.#block = info.blockLen
    this.#clearBytes = info.authLen > 0 || MAC_INFO[names.mac]!.isETM ? 4 : 0
    const probe = cipher.allocPacket(0)
    this.#tagBytes = probe.length - 4 - probe.readUInt32BE(0)
  }

  /** How large the packet of a payload will be. */
  bytes(payloadBytes: number): number {
    return 5 + payloadBytes + this.#padding(payloadBytes) + this.#tagBytes
  }

  /** Writes the packet; `packet` has the size that {@link bytes} gives. The payload is copied. */
  write(packet: Buffer, payload: Uint8Array): void {
    const padding = this.#padding(payload.length)
    packet.writeUInt32BE(1 + payload.length + padding, 0)
    packet[4] = padding
    packet.set(payload, 5)
    takePadding(packet, 5 + payload.length, padding)
  }

  #padding(payloadBytes: number): number {
    const padding = this.#block - ((5 + payloadBytes - this.#clearBytes) % this.#block)
    return padding < 4 ? padding + this.#block : padding
  }
}

const pool = Buffer.allocUnsafeSlow(32 * 1024)
let taken = pool.length

/** Random padding, drawn in large portions: a system call a packet costs an eighth of the relay's time. */
function takePadding(packet: Buffer, offset: number, bytes: number): void {
  if (taken + bytes > pool.length) {
    randomFillSync(pool)
    taken = 0
  }
  pool.copy(packet, offset, taken, taken + bytes)
  taken += bytes
}
