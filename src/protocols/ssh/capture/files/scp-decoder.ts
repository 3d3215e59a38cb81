/** Reads along the old scp protocol (`scp -t` and `scp -f` on the target) and tells which files went which way. */

import { recordedText } from '../../transport/texts.ts'
import { askedFor, locationOf, MAX_PATH, type ScpCommand, type ScpLocation } from '../commands/scp-command.ts'
import { type AskedFile, type AskFile, answered } from './asked-files.ts'
import type { FileEvent } from './file-event.ts'
import { FileTransfer } from './file-transfer.ts'

const MAX_LINE = 4_096 + 64
/** Folders in folders: no path is longer. Each is recorded with all above it, so they must not grow without end. */
const MAX_DEPTH = 256
/** Of the path in an error that is not the first without a file: two bytes can be one. */
const SHORT_PATH = 200
const NEWLINE = 10

/** Bytes of the sending side: lines `C0644 5 name`, `D0755 0 name`, `E`, `T…`, each file's data and one byte of status. */
export class ScpDecoder {
  readonly #record: (event: FileEvent) => void
  readonly #command: ScpCommand
  readonly #onLost: () => void
  readonly #ask: AskFile | undefined
  readonly #folders: string[] = []
  #line: Buffer[] = []
  #lineBytes = 0
  #mode: 'line' | 'data' | 'status' | 'lost' = 'line'
  #left = 0
  #location: ScpLocation = { path: '' }
  #transfer: FileTransfer | undefined
  #asked: AskedFile | undefined
  #error: Buffer[] | undefined
  #recordedError = false

  /** `onLost` is called when the stream turns out to be something else: no more events will come. */
  constructor(
    command: ScpCommand,
    record: (event: FileEvent) => void,
    onLost: () => void = () => undefined,
    ask?: AskFile,
  ) {
    this.#ask = ask
    this.#command = command
    this.#record = record
    this.#onLost = onLost
  }

  fromClient(bytes: Buffer): void {
    if (this.#command.direction === 'upload') this.#sent(bytes)
    else this.#received(bytes)
  }

  fromTarget(bytes: Buffer): void {
    if (this.#command.direction === 'download') this.#sent(bytes)
    else this.#received(bytes)
  }

  /** The channel is over: a file that is not complete is recorded as such. */
  end(): void {
    const transfer = this.#transfer
    if (transfer === undefined) return
    if (this.#mode === 'data') transfer.spoil()
    this.#recordFile(this.#mode === 'line' ? undefined : 'not finished')
  }

  #sent(bytes: Buffer): void {
    let rest = bytes
    while (rest.length > 0 && this.#mode !== 'lost') {
      if (this.#mode === 'line') rest = this.#takeLine(rest)
      else if (this.#mode === 'data') rest = this.#takeData(rest)
      else {
        // 0, or 1 and 2 with a message that reads like a line.
        if (rest[0] === 0) rest = rest.subarray(1)
        else this.#transfer?.spoil()
        this.#mode = 'line'
      }
    }
  }

  #takeData(bytes: Buffer): Buffer {
    const part = bytes.subarray(0, this.#left)
    this.#transfer?.take(part)
    this.#left -= part.length
    if (this.#left === 0) this.#mode = 'status'
    return bytes.subarray(part.length)
  }

  #takeLine(bytes: Buffer): Buffer {
    const end = bytes.indexOf(NEWLINE)
    const part = end === -1 ? bytes : bytes.subarray(0, end)
    this.#lineBytes += part.length
    if (this.#lineBytes > MAX_LINE) {
      this.#lose()
      return bytes
    }
    // Leading zeros are acknowledgements of a side that also sends.
    this.#line.push(Buffer.from(part))
    if (end === -1) return bytes.subarray(part.length)
    const line = recordedText(Buffer.concat(this.#line)).replace(/^\0+/, '')
    this.#line = []
    this.#lineBytes = 0
    this.#readControlLine(line)
    return bytes.subarray(end + 1)
  }

  #readControlLine(line: string): void {
    const code = line[0]
    if (code === 'T' || code === undefined) return
    if (code === '\x01' || code === '\x02') {
      this.#recordError(line.slice(1))
      return
    }
    this.#recordFile(undefined)
    if (code === 'E') {
      this.#folders.pop()
      return
    }
    const match = /^[CD][0-7]{4,5} (\d{1,15}) (.+)$/s.exec(line)
    if (match === null) {
      this.#lose()
      return
    }
    const [, size, name] = match
    if (code === 'D') {
      if (this.#folders.length >= MAX_DEPTH) {
        this.#lose()
        return
      }
      this.#folders.push(name!)
      if (this.#command.direction === 'upload') this.#record({ operation: 'mkdir', ...this.#locationOf('') })
      return
    }
    this.#location = this.#locationOf(name!)
    this.#transfer = new FileTransfer()
    this.#asked = this.#ask?.({ operation: this.#command.direction, ...this.#location })
    this.#left = Number(size)
    this.#mode = this.#left === 0 ? 'status' : 'data'
  }

  /** Acknowledgements: a byte 0, or 1 and 2 with a line of text that belongs to the file in hand. */
  #received(bytes: Buffer): void {
    for (const byte of bytes) {
      if (this.#error !== undefined) {
        if (byte === NEWLINE || this.#error.length >= MAX_LINE) {
          this.#recordFile(recordedText(Buffer.concat(this.#error)))
          this.#error = undefined
        } else this.#error.push(Buffer.from([byte]))
      } else if (byte === 1 || byte === 2) this.#error = []
      else if (byte === 0 && this.#mode === 'line') this.#recordFile(undefined)
    }
  }

  #recordFile(error: string | undefined): void {
    const transfer = this.#transfer
    if (transfer === undefined) return
    this.#transfer = undefined
    if (error !== undefined) transfer.spoil()
    const event = { operation: this.#command.direction, ...this.#location, ...transfer.result() }
    this.#record(answered(this.#asked, error === undefined ? event : { ...event, error }))
  }

  #recordError(error: string): void {
    const asked = askedFor(this.#command)
    const path = this.#recordedError ? asked.path.slice(0, SHORT_PATH) : asked.path
    this.#recordedError = true
    this.#record({ operation: this.#command.direction, ...asked, path, error })
  }

  #locationOf(name: string): ScpLocation {
    const { path, name: sent, ...rest } = locationOf(this.#command, this.#folders, name)
    const location = { ...rest, path: path.slice(0, MAX_PATH) }
    return sent === undefined ? location : { ...location, name: sent.slice(0, MAX_PATH) }
  }

  #lose(): void {
    this.#mode = 'lost'
    this.#recordError('the scp stream could not be read from here on')
    this.#onLost()
  }
}
