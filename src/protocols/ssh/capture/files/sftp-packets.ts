/** Cuts a stream of SFTP (draft-ietf-secsh-filexfer-02, version 3) into packets; the data of files streams past unbuffered. */

import { WireReader } from '../../../../shared/ssh-encoding/wire.ts'
import { SFTP } from '../../sftp-types.ts'

export interface SftpPackets {
  /** A packet without file data; `fields` stands behind the type. For WRITE and DATA: the fields before the data. */
  packet(type: number, fields: WireReader): void
  /** Data of the WRITE or DATA packet that was told last. */
  data(bytes: Buffer): void
  /** The data is complete. */
  dataEnd(): void
}

/** Packets are not larger than this, but for file data and listings; a server would read one in which the rest is rubbish. */
const MAX_BUFFERED = 64 * 1024
/** OpenSSH takes a quarter of it. */
const MAX_PACKET = 1024 * 1024
const MAY_BE_LONG = new Set<number>([SFTP.NAME, SFTP.EXTENDED_REPLY])
/** WRITE: id, handle (256 bytes at most), offset, length. */
const MAX_WRITE_HEADER = 4 + 4 + 256 + 8 + 4
const DATA_HEADER = 4 + 4

export class SftpPacketStream {
  readonly #packets: SftpPackets
  #header = Buffer.alloc(5)
  #headerBytes = 0
  /** Bytes of the packet that are still to come. */
  #left = 0
  #mode: 'header' | 'buffer' | 'skip' | 'fields' | 'data' = 'header'
  #buffered = Buffer.alloc(0)
  #type = 0

  constructor(packets: SftpPackets) {
    this.#packets = packets
  }

  /** Takes the next bytes of the stream, cut anywhere. Throws WireError for what is not SFTP. */
  take(bytes: Buffer): void {
    let rest = bytes
    while (rest.length > 0) rest = this.#step(rest)
  }

  #step(bytes: Buffer): Buffer {
    switch (this.#mode) {
      case 'header':
        return this.#readHeader(bytes)
      case 'skip': {
        const part = bytes.subarray(0, this.#left)
        this.#left -= part.length
        if (this.#left === 0) this.#mode = 'header'
        return bytes.subarray(part.length)
      }
      case 'data': {
        const part = bytes.subarray(0, this.#left)
        this.#packets.data(part)
        this.#left -= part.length
        this.#endOfData()
        return bytes.subarray(part.length)
      }
      case 'buffer':
      case 'fields':
        return this.#buffer(bytes)
    }
  }

  #readHeader(bytes: Buffer): Buffer {
    const part = bytes.subarray(0, 5 - this.#headerBytes)
    part.copy(this.#header, this.#headerBytes)
    this.#headerBytes += part.length
    if (this.#headerBytes < 5) return bytes.subarray(part.length)
    this.#headerBytes = 0
    const fields = new WireReader(this.#header)
    const length = fields.uint32()
    if (length < 1) throw new RangeError('an SFTP packet without a type')
    this.#type = fields.byte()
    if (length > MAX_PACKET) throw new RangeError('an SFTP packet that is too long')
    this.#left = length - 1
    if (this.#type === SFTP.WRITE || this.#type === SFTP.DATA) this.#mode = 'fields'
    else if (this.#left <= MAX_BUFFERED) this.#mode = 'buffer'
    else if (MAY_BE_LONG.has(this.#type)) this.#mode = 'skip'
    else throw new RangeError('an SFTP packet that is too long')
    this.#buffered = Buffer.alloc(0)
    if (this.#left === 0) this.#whole()
    return bytes.subarray(part.length)
  }

  /** Collects the whole packet, or of WRITE and DATA as much as can hold the fields before the data. */
  #buffer(bytes: Buffer): Buffer {
    const bound = this.#mode === 'buffer' ? this.#left : Math.min(this.#left, this.#fieldsLeft())
    const part = bytes.subarray(0, bound)
    this.#buffered = Buffer.concat([this.#buffered, part])
    this.#left -= part.length
    if (this.#mode === 'fields') this.#fieldsComplete()
    else if (this.#left === 0) this.#whole()
    return bytes.subarray(part.length)
  }

  #whole(): void {
    this.#mode = 'header'
    this.#packets.packet(this.#type, new WireReader(this.#buffered))
  }

  /** How many bytes of the fields are surely still missing. */
  #fieldsLeft(): number {
    if (this.#type === SFTP.DATA) return DATA_HEADER - this.#buffered.length
    if (this.#buffered.length < 8) return 8 - this.#buffered.length
    const handleBytes = this.#buffered.readUInt32BE(4)
    const header = 4 + 4 + handleBytes + 8 + 4
    if (header > MAX_WRITE_HEADER) throw new RangeError('an SFTP handle that is too long')
    return header - this.#buffered.length
  }

  #fieldsComplete(): void {
    if (this.#fieldsLeft() > 0) {
      if (this.#left === 0) throw new RangeError('an SFTP packet that is too short')
      return
    }
    // The other side takes what the length says for data, and passes over the rest.
    if (this.#buffered.readUInt32BE(this.#buffered.length - 4) !== this.#left) {
      throw new RangeError('an SFTP packet whose data has another length')
    }
    this.#mode = 'data'
    this.#packets.packet(this.#type, new WireReader(this.#buffered))
    this.#endOfData()
  }

  #endOfData(): void {
    if (this.#left > 0) return
    this.#mode = 'header'
    this.#packets.dataEnd()
  }
}
