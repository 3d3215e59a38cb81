/** Writes down what happens in one channel: facts, and the streams within the bounds that are kept. */

import type { FactEvent, StreamEvent } from '../../recording/events.ts'
import type { Recorder } from '../../recording/recorder.ts'
import type { WireReader } from '../../shared/ssh-wire.ts'
import { EchoedInput } from './echoed-input.ts'
import { parseScpCommand, ScpDecoder } from './scp-decoder.ts'
import { type FileEvent, SftpDecoder } from './sftp-decoder.ts'
import { SftpIfSpoken } from './sftp-if-spoken.ts'
import { plain, recordedText } from './texts.ts'

type Stream = StreamEvent['type']

export interface ChannelLogOptions {
  readonly recorder: Recorder
  readonly recordInput: boolean
  /** Bytes kept of each stream of a channel without a terminal; what a terminal shows is kept wholly. */
  readonly execOutputLimitBytes: number
}

export class ChannelLog {
  readonly #options: ChannelLogOptions
  readonly #channel: number
  readonly #kind: string
  #terminal = false
  /** Bytes kept of each stream so far; -1 once it is truncated. */
  readonly #kept: Record<Stream, number> = { output: 0, stderr: 0, input: 0 }
  #keepStreams = true
  #files: SftpDecoder | SftpIfSpoken | ScpDecoder | undefined
  #typed: EchoedInput | undefined

  constructor(options: ChannelLogOptions, channel: number, kind: string) {
    this.#options = options
    this.#channel = channel
    this.#kind = kind
    // Bytes of a forward belong to another protocol: they are counted, where they went is a fact.
    this.#keepStreams = kind === 'session'
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
        this.#terminal = true
        if (this.#options.recordInput) this.#typed = new EchoedInput(bytes => this.#keep('input', bytes))
        const term = recordedText(fields.string())
        this.#fact({ type: 'pty', channel, term, columns: fields.uint32(), rows: fields.uint32() })
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
        const scp = parseScpCommand(command)
        if (scp !== undefined) this.#files = new ScpDecoder(scp, event => this.#file('scp', event))
        else this.#files = new SftpIfSpoken(event => this.#file('sftp', event))
        break
      }
      case 'subsystem': {
        const subsystem = recordedText(fields.string())
        if (subsystem === 'sftp') {
          this.#keepStreams = false
          const lost = () => {
            this.#keepStreams = true
          }
          this.#files = new SftpDecoder(event => this.#file('sftp', event), lost)
        } else this.#files = new SftpIfSpoken(event => this.#file('sftp', event))
        this.#fact({ type: 'subsystem', channel, name: subsystem })
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

  /** The target said no to the shell, command or subsystem: the channel is as it was before. */
  notStarted(): void {
    this.#files?.end()
    this.#files = undefined
    this.#keepStreams = this.#kind === 'session'
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
    this.#keep(stream, bytes)
    if (stream === 'output') this.#typed?.shown(bytes)
  }

  fromClient(bytes: Buffer): void {
    this.#files?.fromClient(bytes)
    if (this.#typed !== undefined) this.#typed.typed(bytes)
    else if (this.#options.recordInput) this.#keep('input', bytes)
  }

  closed(bytesIn: number, bytesOut: number): void {
    this.#typed?.end()
    this.#files?.end()
    this.#fact({ type: 'channel-close', channel: this.#channel, bytesIn, bytesOut })
  }

  #keep(stream: Stream, bytes: Buffer): void {
    if (!this.#keepStreams || bytes.length === 0) return
    const { recorder, execOutputLimitBytes } = this.#options
    if (this.#terminal) {
      recorder.stream(stream, this.#channel, bytes)
      return
    }
    const kept = this.#kept[stream]
    if (kept < 0) return
    const room = execOutputLimitBytes - kept
    if (room > 0) recorder.stream(stream, this.#channel, bytes.length > room ? bytes.subarray(0, room) : bytes)
    this.#kept[stream] = kept + bytes.length
    if (bytes.length <= room) return
    this.#kept[stream] = -1
    this.#fact({ type: 'truncated', channel: this.#channel, stream, keptBytes: execOutputLimitBytes })
  }

  #file(via: 'sftp' | 'scp', event: FileEvent): void {
    this.#fact({ type: 'file', channel: this.#channel, via, ...event })
  }

  #fact(event: FactEvent): void {
    this.#options.recorder.fact(event)
  }
}
