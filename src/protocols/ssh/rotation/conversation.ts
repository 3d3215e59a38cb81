/** A command that runs at a target and is given what it asks for, step by step. */

import { messageOf } from '../../../shared/errors.ts'
import type { OwnChannels } from '../target-side/own-channels.ts'
import { Program, type ProgramEnd } from '../target-side/program.ts'

/** More than this is no answer of a program that changes a password. */
const MOST_BYTES = 64 * 1024
/** What is looked for stands at the end of what was said. */
const LOOKED_AT = 2048

export type End =
  | ProgramEnd
  /** The host does not run commands. */
  | { readonly kind: 'not-run' }
  /** It said more than is read. */
  | { readonly kind: 'flooded' }
  /** There is no more time for it. */
  | { readonly kind: 'given-up' }

/** What was found in a text, and where it ends there. */
export interface Finding<T> {
  readonly found: T
  readonly end: number
}

export type Heard<T> = { readonly found: T } | { readonly over: End }

export class Conversation {
  /** Grows as more is said: a piece may be one byte. */
  #said = Buffer.alloc(4096)
  readonly #most: number
  #bytes = 0
  #program: Program | undefined
  #end: End | undefined
  /** Up to where something was found. */
  #answered = 0
  #wake: (() => void) | undefined

  /** Throws ChannelRefused, what ended the connection, or the signal's reason. */
  static async start(
    host: OwnChannels,
    command: string,
    signal: AbortSignal,
    { mostBytes = MOST_BYTES, terminal = false } = {},
  ): Promise<Conversation> {
    const conversation = new Conversation(mostBytes)
    const program = await host.open(
      'session',
      [],
      (id, end) => new Program(host, id, end, bytes => conversation.#hear(bytes)),
      signal,
    )
    conversation.#program = program
    const giveUp = () => conversation.#over({ kind: 'given-up' })
    signal.addEventListener('abort', giveUp, { once: true })
    program.ended.then(end => {
      signal.removeEventListener('abort', giveUp)
      conversation.#over(end)
    })
    if (terminal) await program.terminal()
    if (!(await program.start('exec', command))) conversation.#over({ kind: 'not-run' })
    return conversation
  }

  private constructor(mostBytes: number) {
    this.#most = mostBytes
  }

  /** All that was said so far, on both streams. */
  get said(): string {
    return this.#said.toString('utf8', 0, this.#bytes)
  }

  /** Waits until `find` finds something in what was said since the last finding (a character for each byte), or until there will be no more. */
  async until<T>(find: (text: string) => Finding<T> | undefined): Promise<Heard<T>> {
    while (true) {
      const from = Math.max(this.#answered, this.#bytes - LOOKED_AT)
      const finding = find(this.#said.toString('latin1', from, this.#bytes))
      if (finding !== undefined) {
        this.#answered = from + finding.end
        return finding
      }
      if (this.#end !== undefined) return { over: this.#end }
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  /** How it ended. */
  async ended(): Promise<End> {
    const heard = await this.until<never>(() => undefined)
    return 'over' in heard ? heard.over : heard.found
  }

  /** Gives it bytes, which are overwritten once they are sent. */
  say(bytes: Buffer): void {
    this.#program?.write(bytes)
  }

  endInput(): void {
    this.#program?.endInput()
  }

  close(): void {
    this.#over({ kind: 'closed' })
  }

  #hear(bytes: Buffer): void {
    const length = this.#bytes + bytes.length
    if (length > this.#most) {
      this.#over({ kind: 'flooded' })
      return
    }
    if (length > this.#said.length) {
      const larger = Buffer.alloc(Math.max(length, 2 * this.#said.length))
      this.#said.copy(larger, 0, 0, this.#bytes)
      this.#said = larger
    }
    bytes.copy(this.#said, this.#bytes)
    this.#bytes = length
    this.#wake?.()
  }

  #over(end: End): void {
    this.#end ??= end
    this.#program?.destroy()
    this.#wake?.()
  }
}

export function endInWords(end: End): string {
  switch (end.kind) {
    case 'exited':
      return `exit status ${end.status}`
    case 'signalled':
      return `ended by a signal (${end.signal.slice(0, 20)})`
    case 'closed':
      return 'it was closed without an exit status'
    case 'lost':
      return `the connection was lost: ${messageOf(end.error)}`
    case 'not-run':
      return 'the target runs no commands for this account'
    case 'flooded':
      return 'it printed more than is read'
    case 'given-up':
      return 'it did not end in time'
  }
}
