/** Reads along an SFTP session and tells what it does to files: who reads and writes what, how much, and the hash of it. */

import type { WireReader } from '../../../../shared/ssh-encoding/wire.ts'
import { SFTP } from '../../sftp-types.ts'
import { recordedText } from '../../transport/texts.ts'
import { type AskedFile, type AskFile, answered } from './asked-files.ts'
import type { FileEvent } from './file-event.ts'
import { FileTransfer } from './file-transfer.ts'
import { type OpenFile, openFailed, openFile, transfersOf } from './open-file.ts'
import { CHANGES, EXTENDED_CHANGES, pathOf } from './sftp-changes.ts'
import { SftpPacketStream } from './sftp-packets.ts'

/** What a request will have been when its answer comes. */
type Pending =
  | { readonly kind: 'open'; readonly file: OpenFile }
  | { readonly kind: 'close'; readonly file: OpenFile }
  | { readonly kind: 'read'; readonly file: OpenFile; readonly offset: number }
  | { readonly kind: 'write'; readonly file: OpenFile }
  | { readonly kind: 'change'; readonly event: FileEvent; readonly asked: AskedFile | undefined }

/** Requests without answers, and open files: more than any client has. */
const MAX_TRACKED = 4_096
const MAX_NAME = 100
/** Extensions that change nothing and move no data (OpenSSH's PROTOCOL §4): they are not recorded. */
const QUESTIONS = new Set([
  'statvfs@openssh.com',
  'fstatvfs@openssh.com',
  'fsync@openssh.com',
  'limits@openssh.com',
  'expand-path@openssh.com',
  'home-directory',
  'users-groups-by-id@openssh.com',
])
const OPEN_FOR_WRITING = 2
/** What OpenSSH speaks, and every server that is asked for no other. */
const VERSION = 3

const STATUS_TEXT: Record<number, string> = {
  2: 'no such file',
  3: 'permission denied',
  4: 'failure',
  5: 'bad message',
  8: 'operation not supported',
}

export class SftpDecoder {
  readonly #record: (event: FileEvent) => void
  readonly #onLost: () => void
  readonly #ask: AskFile | undefined
  readonly #requests: SftpPacketStream
  readonly #answers: SftpPacketStream
  readonly #pending = new Map<number, Pending>()
  readonly #files = new Map<string, OpenFile>()
  /** The file that the data in passing belongs to. */
  #writing: FileTransfer | undefined
  #reading: FileTransfer | undefined
  /** The stream is not what we take it for: nothing is decoded any more. */
  #lost = false

  /** `onLost` is called when the stream turns out to be something else: no more events will come. */
  constructor(record: (event: FileEvent) => void, onLost: () => void = () => undefined, ask?: AskFile) {
    this.#record = record
    this.#ask = ask
    this.#onLost = onLost
    this.#requests = new SftpPacketStream({
      packet: (type, fields) => this.#request(type, fields),
      data: bytes => this.#writing?.take(bytes),
      dataEnd: () => {
        this.#writing = undefined
      },
    })
    this.#answers = new SftpPacketStream({
      packet: (type, fields) => this.#answer(type, fields),
      data: bytes => this.#reading?.take(bytes),
      dataEnd: () => {
        this.#reading = undefined
      },
    })
  }

  fromClient(bytes: Buffer): void {
    this.#decode(this.#requests, bytes)
  }

  fromTarget(bytes: Buffer): void {
    this.#decode(this.#answers, bytes)
  }

  /** The channel is over: what was still open is recorded as unfinished. */
  end(): void {
    const closing = [...this.#pending.values()].flatMap(pending => (pending.kind === 'close' ? [pending.file] : []))
    for (const pending of this.#pending.values()) {
      if (pending.kind === 'change') this.#record(answered(pending.asked, { ...pending.event, error: 'not answered' }))
      if (pending.kind === 'open') this.#record(openFailed(pending.file, 'not answered'))
    }
    this.#pending.clear()
    for (const file of [...closing, ...this.#files.values()]) {
      file.read?.spoil()
      file.written?.spoil()
      file.error ??= 'not finished'
      for (const event of transfersOf(file)) this.#record(event)
    }
    this.#files.clear()
  }

  #decode(stream: SftpPacketStream, bytes: Buffer): void {
    if (this.#lost) return
    try {
      stream.take(bytes)
    } catch {
      // The target judges the packet; the record goes on without file events, and says so.
      this.#lost = true
      this.end()
      this.#record({ operation: 'list', path: '', error: 'the SFTP stream could not be read from here on' })
      this.#onLost()
    }
  }

  #request(type: number, fields: WireReader): void {
    switch (type) {
      case SFTP.OPEN:
      case SFTP.OPENDIR: {
        const id = fields.uint32()
        const path = pathOf(fields)
        const file = openFile(path, type === SFTP.OPENDIR ? 'list' : openedFor(fields.uint32()), this.#ask)
        this.#expect(id, { kind: 'open', file })
        return
      }
      case SFTP.CLOSE: {
        const id = fields.uint32()
        const handle = handleOf(fields)
        // From here on the target takes nothing more for it, also when its answer is still to come.
        this.#expect(id, { kind: 'close', file: this.#file(handle) })
        this.#files.delete(handle)
        return
      }
      case SFTP.READ: {
        const id = fields.uint32()
        const file = this.#file(handleOf(fields))
        file.read ??= new FileTransfer()
        this.#expect(id, { kind: 'read', file, offset: Number(fields.uint64()) })
        return
      }
      case SFTP.WRITE: {
        const id = fields.uint32()
        const file = this.#file(handleOf(fields))
        file.written ??= new FileTransfer()
        file.written.at(Number(fields.uint64()))
        this.#writing = file.written
        this.#expect(id, { kind: 'write', file })
        return
      }
      case SFTP.FSETSTAT: {
        const id = fields.uint32()
        this.#change(id, { operation: 'setstat', path: this.#file(handleOf(fields)).path })
        return
      }
      case SFTP.EXTENDED:
        this.#extended(fields.uint32(), recordedText(fields.string()), fields)
        return
      default: {
        const change = CHANGES.get(type)
        if (change !== undefined) this.#change(fields.uint32(), change(fields))
      }
    }
  }

  #extended(id: number, name: string, fields: WireReader): void {
    const change = EXTENDED_CHANGES.get(name)
    if (change !== undefined) this.#change(id, change(fields))
    else if (name === 'copy-data') this.#change(id, this.#copied(fields))
    else if (!QUESTIONS.has(name)) this.#change(id, { operation: 'extension', path: name.slice(0, MAX_NAME) })
  }

  /** Bytes that go from file to file on the target never pass here (draft-ietf-secsh-filexfer-extensions-00 §7). */
  #copied(fields: WireReader): FileEvent {
    const from = this.#file(handleOf(fields))
    fields.uint64()
    const bytes = Number(fields.uint64())
    const to = this.#file(handleOf(fields))
    to.written ??= new FileTransfer()
    to.written.spoil()
    to.copiedTo = true
    const event = { operation: 'copy', path: from.path, to: to.path } as const
    // 0 is to the end of the file, wherever that is.
    return bytes === 0 ? event : { ...event, bytes }
  }

  #answer(type: number, fields: WireReader): void {
    if (type === SFTP.VERSION && fields.uint32() > VERSION) throw new RangeError('a version with other fields')
    if (type !== SFTP.STATUS && type !== SFTP.HANDLE && type !== SFTP.DATA) {
      if (type > SFTP.STATUS) this.#answeredOtherwise(fields.uint32())
      return
    }
    const id = fields.uint32()
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    if (type === SFTP.HANDLE) {
      if (pending?.kind !== 'open') throw new RangeError('a handle that nobody asked for')
      this.#opened(fields.string().toString('hex'), pending.file)
    } else if (type === SFTP.DATA) {
      if (pending?.kind !== 'read') throw new RangeError('data that nobody asked for')
      const { file, offset } = pending
      file.read ??= new FileTransfer()
      file.read.at(offset)
      this.#reading = file.read
    } else if (pending !== undefined) this.#status(pending, fields.uint32())
  }

  /** An answer that is neither a status nor what was asked for: an extension has answers of its own. */
  #answeredOtherwise(id: number): void {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    if (pending?.kind === 'change') this.#record(answered(pending.asked, pending.event))
  }

  #opened(handle: string, file: OpenFile): void {
    if (this.#files.size >= MAX_TRACKED || this.#files.has(handle)) throw new RangeError('a handle that cannot be')
    this.#files.set(handle, file)
    if (file.operation === 'list') this.#record(answered(file.asked, { operation: 'list', path: file.path }))
    else if (file.operation === 'upload') file.written = new FileTransfer()
  }

  #status(pending: Pending, status: number): void {
    // 1 is the end of a file or listing: no error.
    const error = status > 1 ? (STATUS_TEXT[status] ?? `status ${status}`) : undefined
    switch (pending.kind) {
      case 'open':
        if (error !== undefined) this.#record(openFailed(pending.file, error))
        return
      case 'close':
        for (const event of transfersOf(pending.file)) this.#record(event)
        return
      case 'read':
        if (error !== undefined) pending.file.error ??= error
        return
      case 'write':
        if (error === undefined) return
        pending.file.error ??= error
        pending.file.written?.spoil()
        return
      case 'change':
        this.#record(answered(pending.asked, error === undefined ? pending.event : { ...pending.event, error }))
    }
  }

  #change(id: number, event: FileEvent): void {
    this.#expect(id, { kind: 'change', event, asked: this.#ask?.(event) })
  }

  #expect(id: number, pending: Pending): void {
    // An answer to one of two could be taken for the other's, and what is not tracked would not be recorded.
    if (this.#pending.has(id) || this.#pending.size >= MAX_TRACKED)
      throw new RangeError('a request that cannot be told apart')
    this.#pending.set(id, pending)
  }

  /** A handle that the target never gave could be guessed: then it is not known what is written where. */
  #file(handle: string): OpenFile {
    const file = this.#files.get(handle)
    if (file === undefined) throw new RangeError('a handle that is not known')
    return file
  }
}

function openedFor(flags: number): 'upload' | 'download' {
  return (flags & OPEN_FOR_WRITING) === 0 ? 'download' : 'upload'
}

function handleOf(fields: WireReader): string {
  return fields.string().toString('hex')
}
