/** Memory for packets on their way out, used again once they have left: a new buffer for each 32 KB keeps the collector busy. */

/** The largest packet ssh2's decryption takes, and so the largest there is: payload, header, padding and tag. */
const PACKET_BYTES = 36 * 1024
/** Below this, an allocation is cheaper than its return. */
const SMALLEST_POOLED = 4 * 1024
/** What is kept for all connections together: 2.25 MB. */
const KEPT = 64

const free: PacketBuffer[] = []

export class PacketBuffer {
  readonly memory = Buffer.allocUnsafeSlow(PACKET_BYTES)
  /** Give it to the write that takes the packet to the socket. */
  readonly release = (): void => {
    if (free.length < KEPT) free.push(this)
  }
}

/** Undefined for sizes that are not pooled. */
export function takePacketBuffer(bytes: number): PacketBuffer | undefined {
  if (bytes < SMALLEST_POOLED || bytes > PACKET_BYTES) return undefined
  return free.pop() ?? new PacketBuffer()
}
