/** What is kept of the streams of one channel: of a terminal what it shows, of a program without one everything up to a limit. */

import type { KeptStreamName } from '../../../recording/format/events.ts'
import type { Recorder } from '../../../recording/writing/recorder.ts'
import type { SecretInput } from './commands/secret-input.ts'
import { EchoedInput } from './echoed-input.ts'
import { KeptStream, type WholeStream } from './kept-stream.ts'
import { SplitInput } from './split-input.ts'

export interface StreamTerms {
  /** What is typed at a terminal, as far as it is echoed; and the input of everything else, file transfers too. */
  readonly recordInput: boolean
  /** The input of programs without a terminal. */
  readonly recordExecInput: boolean
  /** Bytes kept of each stream of a channel without a terminal. */
  readonly execOutputLimitBytes: number
}

/** Of what is sent before it is known whether there is a terminal; what is relayed and not recorded is no more (docs/recording-format.md). */
const MOST_EARLY_BYTES = 64 * 1024

/** What the streams of a channel are to the recording: the bytes of a `file` are recorded as events of their own, those of a `forward` not. */
export type StreamContent = 'program' | 'file-upload' | 'files' | 'forward'

export interface CutStream extends WholeStream {
  readonly stream: KeptStreamName
}

export class StreamLog {
  content: StreamContent
  readonly #recorder: Recorder
  readonly #channel: number
  readonly #terms: StreamTerms
  readonly #streams: Record<KeptStreamName, KeptStream>
  #terminal = false
  /** Wishes for a terminal that have no answer yet. */
  #terminalsAsked = 0
  /** What was sent in the meantime. */
  readonly #early: Buffer[] = []
  #earlyBytes = 0
  /** Bytes of bulk that were counted only, since that was last written down. */
  #counted = 0
  #echoed: EchoedInput | undefined
  #input: SplitInput

  constructor(recorder: Recorder, channel: number, terms: StreamTerms, content: StreamContent) {
    this.content = content
    this.#recorder = recorder
    this.#channel = channel
    this.#terms = terms
    this.#streams = {
      output: this.#kept('output'),
      stderr: this.#kept('stderr'),
      input: this.#kept('input'),
      'hidden-input': this.#kept('hidden-input'),
    }
    this.#input = this.#inputOf('none')
  }

  /** A terminal was asked for. */
  terminalAsked(): void {
    this.#terminalsAsked++
  }

  /** The target gives the terminal, or does not: then what was sent in the meantime is fed to a program like all else. */
  terminalAnswered(granted: boolean): void {
    this.#terminalsAsked--
    if (granted && !this.#terminal) {
      this.#terminal = true
      if (this.#terms.recordInput) this.#echoed = new EchoedInput(bytes => this.#keep('input', bytes))
    }
    if (this.#terminalsAsked === 0) this.#takeEarly()
  }

  /** A program begins: how its input is to be read. */
  begin(secret: SecretInput, content: StreamContent): void {
    this.content = content
    this.#input = this.#inputOf(secret)
  }

  fromTarget(stream: 'output' | 'stderr', bytes: Buffer): void {
    this.#keep(stream, bytes)
    if (this.#echoed !== undefined) {
      if (stream === 'output') this.#echoed.shown(bytes)
    } else if (this.#keepsInput) this.#input.shown(bytes)
  }

  fromClient(bytes: Buffer): void {
    if (this.#terminalsAsked > 0) this.#takeBeforeAnswer(bytes)
    else this.#take(bytes)
  }

  #take(bytes: Buffer): void {
    if (this.#echoed !== undefined) this.#echoed.typed(bytes)
    else if (this.#keepsInput) this.#input.typed(bytes)
    else if (!this.#terminal) this.#count(bytes.length)
  }

  /** Nobody types that much before there is a terminal, and with `before-relay` nothing waits: it is kept as if there were none. */
  #takeBeforeAnswer(bytes: Buffer): void {
    const most = this.#recorder.promptness === 'before-relay' ? 0 : MOST_EARLY_BYTES
    this.#early.push(Buffer.from(bytes))
    this.#earlyBytes += bytes.length
    if (this.#earlyBytes > most) this.#takeEarly()
  }

  #takeEarly(): void {
    for (const bytes of this.#early.splice(0)) this.#take(bytes)
    this.#earlyBytes = 0
  }

  /** How many bytes the caller is to write down as counted. */
  takeCounted(): number {
    const counted = this.#counted
    this.#counted = 0
    return counted
  }

  /** The channel is over. Returns what was cut. */
  end(): CutStream[] {
    this.#takeEarly()
    this.#echoed?.end()
    return Object.entries(this.#streams).flatMap(([stream, kept]) => {
      const whole = kept.whole()
      return whole === undefined ? [] : [{ stream: stream as KeptStreamName, ...whole }]
    })
  }

  get #keepsInput(): boolean {
    const { recordInput, recordExecInput } = this.#terms
    if (this.#terminal) return false
    return recordInput || (recordExecInput && this.content === 'program')
  }

  #inputOf(secret: SecretInput): SplitInput {
    return new SplitInput(secret, {
      show: bytes => this.#keep('input', bytes),
      hide: bytes => this.#keep('hidden-input', bytes),
    })
  }

  #kept(stream: KeptStreamName): KeptStream {
    const { execOutputLimitBytes } = this.#terms
    const channel = this.#channel
    return new KeptStream(
      execOutputLimitBytes,
      bytes => this.#record(stream, bytes, true),
      keptBytes => this.#recorder.fact({ type: 'truncated', channel, stream, keptBytes }),
    )
  }

  #record(stream: KeptStreamName, bytes: Buffer, bulk: boolean): void {
    if (stream === 'hidden-input') this.#recorder.hiddenInput(this.#channel, bytes)
    else this.#recorder.stream(stream, this.#channel, bytes, bulk)
  }

  #keep(stream: KeptStreamName, bytes: Buffer): void {
    if (bytes.length === 0) return
    if (this.content === 'files' || this.content === 'forward') this.#count(bytes.length)
    else if (this.#terminal) this.#record(stream, bytes, false)
    else this.#count(this.#streams[stream].take(bytes))
  }

  #count(bytes: number): void {
    this.#counted += bytes
    this.#recorder.count(bytes)
  }
}
