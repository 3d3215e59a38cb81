/** A command or subsystem of any name may be an sftp server: it is one when the client greets it as one. Its streams are kept all the same. */

import { SFTP } from '../../sftp-types.ts'
import type { AskFile } from './asked-files.ts'
import type { FileEvent } from './file-event.ts'
import { SftpDecoder } from './sftp-decoder.ts'

/** Length, type, version. */
const GREETING_BYTES = 9
const LONGEST_GREETING = 64 * 1024
const VERSIONS = { oldest: 1, newest: 6 }

export class SftpIfSpoken {
  readonly #tell: (event: FileEvent) => void
  readonly #ask: AskFile | undefined
  #begin: Buffer | undefined = Buffer.alloc(0)
  #decoder: SftpDecoder | undefined

  constructor(tell: (event: FileEvent) => void, ask?: AskFile) {
    this.#tell = tell
    this.#ask = ask
  }

  fromClient(bytes: Buffer): void {
    if (this.#begin === undefined) {
      this.#decoder?.fromClient(bytes)
      return
    }
    const before = this.#begin
    const begin = Buffer.concat([before, bytes.subarray(0, GREETING_BYTES - before.length)])
    this.#begin = begin.length < GREETING_BYTES ? begin : undefined
    if (this.#begin !== undefined || !isGreeting(begin)) return
    this.#decoder = new SftpDecoder(this.#tell, undefined, this.#ask)
    this.#decoder.fromClient(before)
    this.#decoder.fromClient(bytes)
  }

  fromTarget(bytes: Buffer): void {
    this.#decoder?.fromTarget(bytes)
  }

  end(): void {
    this.#decoder?.end()
  }
}

function isGreeting(begin: Buffer): boolean {
  const length = begin.readUInt32BE(0)
  const version = begin.readUInt32BE(5)
  return (
    length >= GREETING_BYTES - 4 &&
    length <= LONGEST_GREETING &&
    begin[4] === SFTP.INIT &&
    version >= VERSIONS.oldest &&
    version <= VERSIONS.newest
  )
}
