/** Writes down what happens in one channel: facts, and the streams within the bounds that are kept. */

import type { FactEvent } from '../../../recording/format/events.ts'
import type { Recorder } from '../../../recording/writing/recorder.ts'
import type { WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { plain, recordedText } from '../transport/texts.ts'
import { fileTransferOf } from './commands/file-transfer-command.ts'
import { secretInputOf } from './commands/secret-input.ts'
import { AskedFiles } from './files/asked-files.ts'
import type { FileEvent } from './files/file-event.ts'
import { ScpDecoder } from './files/scp-decoder.ts'
import { SftpDecoder } from './files/sftp-decoder.ts'
import { SftpIfSpoken } from './files/sftp-if-spoken.ts'
import { StreamLog, type StreamTerms } from './stream-log.ts'

export interface ChannelLogOptions extends StreamTerms {
  readonly recorder: Recorder
}

export class ChannelLog {
  readonly #options: ChannelLogOptions
  readonly #channel: number
  readonly #kind: string
  readonly #streams: StreamLog
  readonly #asked: AskedFiles
  /** Those that have no answer yet. */
  readonly #terminals: (FactEvent & { type: 'pty' })[] = []
  #files: SftpDecoder | SftpIfSpoken | ScpDecoder | undefined

  constructor(options: ChannelLogOptions, channel: number, kind: string) {
    this.#options = options
    this.#channel = channel
    this.#kind = kind
    this.#asked = new AskedFiles(channel, fact => this.#fact(fact))
    this.#streams = new StreamLog(options.recorder, channel, options, this.#contentAtFirst)
  }

  opened(detail: WireReader): void {
    const channel = this.#channel
    this.#fact({ type: 'channel-open', channel, kind: plain(this.#kind) })
    if (this.#kind === 'direct-tcpip' || this.#kind === 'forwarded-tcpip' || this.#kind === 'x11') {
      this.#fact({
        type: 'forward',
        channel,
        kind: this.#kind,
        host: recordedText(detail.string()),
        port: detail.uint32(),
      })
    } else if (this.#kind.includes('streamlocal')) {
      this.#fact({ type: 'forward', channel, kind: this.#kind, host: recordedText(detail.string()), port: 0 })
    }
  }

  /** A request of the user that passed. Throws WireError. */
  request(name: string, fields: WireReader): void {
    const channel = this.#channel
    switch (name) {
      case 'pty-req': {
        const term = recordedText(fields.string())
        this.#terminals.push({ type: 'pty', channel, term, columns: fields.uint32(), rows: fields.uint32() })
        this.#streams.terminalAsked()
        break
      }
      case 'window-change':
        this.#fact({ type: 'resize', channel, columns: fields.uint32(), rows: fields.uint32() })
        break
      case 'shell':
        this.#fact({ type: 'shell', channel })
        break
      case 'exec': {
        const command = recordedText(fields.string())
        this.#fact({ type: 'exec', channel, command })
        this.#beginCommand(command)
        break
      }
      case 'subsystem': {
        const subsystem = recordedText(fields.string())
        this.#fact({ type: 'subsystem', channel, name: subsystem })
        // What another subsystem reads is not known; nor what this one does, should it turn out to be something else.
        this.#streams.begin('all', subsystem === 'sftp' ? 'files' : 'program')
        if (subsystem === 'sftp') {
          this.#files = new SftpDecoder(
            event => this.#file('sftp', event),
            () => this.#noFiles(),
            this.#asked.by('sftp'),
          )
        } else this.#files = new SftpIfSpoken(event => this.#file('sftp', event), this.#asked.by('sftp'))
        break
      }
      case 'env':
        this.#fact({
          type: 'environment',
          channel,
          name: recordedText(fields.string()),
          value: recordedText(fields.string()),
        })
        break
      case 'signal':
        this.#fact({ type: 'signal', channel, name: recordedText(fields.string()) })
        break
    }
  }

  #beginCommand(command: string): void {
    const transfer = fileTransferOf(command)
    this.#streams.begin(secretInputOf(command), transfer?.alone === true ? 'file-upload' : 'program')
    this.#files =
      transfer?.scp === undefined
        ? new SftpIfSpoken(event => this.#file('sftp', event), this.#asked.by('sftp'))
        : new ScpDecoder(
            transfer.scp,
            event => this.#file('scp', event),
            () => this.#noFiles(),
            this.#asked.by('scp'),
          )
  }

  /** What was taken for a transfer of files is none: its bytes are kept from here on. */
  #noFiles(): void {
    this.#streams.content = 'program'
  }

  /** The target said no to the shell, command or subsystem: the channel is as it was before. */
  notStarted(): void {
    this.#files?.end()
    this.#files = undefined
    this.#streams.begin('none', this.#contentAtFirst)
  }

  /** What the target said to the wish for a terminal. Readers take a channel for what it is told to be: only one that is given counts. */
  terminalAnswered(granted: boolean): void {
    const terminal = this.#terminals.shift()!
    const refused = {
      type: 'refused',
      what: 'request pty-req',
      reason: 'by the target',
      channel: this.#channel,
    } as const
    this.#fact(granted ? terminal : refused)
    this.#streams.terminalAnswered(granted)
  }

  /** Bytes of a forward belong to another protocol: they are counted, where they went is a fact. */
  get #contentAtFirst(): 'program' | 'forward' {
    return this.#kind === 'session' ? 'program' : 'forward'
  }

  /** A request of the target that passed. Throws WireError. */
  targetRequest(name: string, fields: WireReader): void {
    if (name === 'exit-status') this.#fact({ type: 'exit', channel: this.#channel, status: fields.uint32() })
    if (name === 'exit-signal')
      this.#fact({ type: 'exit', channel: this.#channel, signal: recordedText(fields.string()) })
  }

  fromTarget(stream: 'output' | 'stderr', bytes: Buffer): void {
    // First: what turns out to be no file transfer is kept as the output that it is.
    if (stream === 'output') this.#files?.fromTarget(bytes)
    if (this.#options.recorder.promptness === 'before-relay') this.#asked.tell()
    this.#streams.fromTarget(stream, bytes)
  }

  fromClient(bytes: Buffer): void {
    this.#files?.fromClient(bytes)
    if (this.#options.recorder.promptness === 'before-relay') this.#asked.tell()
    this.#streams.fromClient(bytes)
  }

  /** Writes down how much has passed by now, where some of it was only counted. */
  note(bytesIn: number, bytesOut: number): void {
    const counted = this.#streams.takeCounted()
    if (counted === 0) return
    this.#options.recorder.fact({ type: 'relayed', channel: this.#channel, bytesIn, bytesOut }, 0, counted)
  }

  closed(bytesIn: number, bytesOut: number): void {
    this.#files?.end()
    this.#asked.end()
    const whole = this.#streams.end()
    const hidden = whole.find(({ stream }) => stream === 'hidden-input')
    const cut = whole.map(({ sha256, ...rest }) => (rest.stream === 'hidden-input' ? rest : { ...rest, sha256 }))
    const event = { type: 'channel-close', channel: this.#channel, bytesIn, bytesOut } as const
    this.#options.recorder.fact(
      cut.length === 0 ? event : { ...event, cut },
      0,
      this.#streams.takeCounted(),
      hidden && { sha256: hidden.sha256 },
    )
  }

  #file(via: 'sftp' | 'scp', event: FileEvent): void {
    this.#fact({ type: 'file', channel: this.#channel, via, ...event })
  }

  #fact(event: FactEvent): void {
    this.#options.recorder.fact(event)
  }
}
