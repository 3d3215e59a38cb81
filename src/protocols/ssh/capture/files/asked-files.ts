/** What was asked of files in one channel and has no answer yet: recorded once it takes a while, so that a crash cannot hide it. */

import type { FactEvent } from '../../../../recording/format/events.ts'
import type { FileEvent } from './file-event.ts'

/** With the write that follows less than the bound that is published (recorder.ts). */
const PATIENCE_MS = 20

export interface AskedFile {
  readonly event: FileEvent
  readonly via: 'sftp' | 'scp'
  /** Under which it was recorded as asked; 0: it was not. */
  number: number
  answered: boolean
}

/** Called for each wish; what is made of it goes to {@link answered} when there is an answer. */
export type AskFile = (event: FileEvent) => AskedFile

/** The event that records the answer, with the number of what was asked. */
export function answered(asked: AskedFile | undefined, event: FileEvent): FileEvent {
  if (asked === undefined) return event
  asked.answered = true
  return asked.number === 0 ? event : { ...event, asked: asked.number }
}

export class AskedFiles {
  readonly #record: (fact: FactEvent & { type: 'asked' }) => void
  readonly #channel: number
  #waiting: AskedFile[] = []
  #last = 0
  #timer: NodeJS.Timeout | undefined

  constructor(channel: number, record: (fact: FactEvent & { type: 'asked' }) => void) {
    this.#channel = channel
    this.#record = record
  }

  by(via: 'sftp' | 'scp'): AskFile {
    return event => {
      const asked = { event, via, number: 0, answered: false }
      this.#waiting.push(asked)
      this.#timer ??= setTimeout(() => this.tell(), PATIENCE_MS).unref()
      return asked
    }
  }

  /** The channel is over, and everything has been told. */
  end(): void {
    clearTimeout(this.#timer)
    this.#waiting = []
  }

  /** Records what has no answer yet. */
  tell(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const waiting = this.#waiting
    this.#waiting = []
    for (const asked of waiting) {
      if (asked.answered) continue
      asked.number = ++this.#last
      const of = { type: 'file', channel: this.#channel, via: asked.via, ...asked.event } as const
      this.#record({ type: 'asked', number: asked.number, of })
    }
  }
}
