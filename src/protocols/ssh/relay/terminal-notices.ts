/**
 * What the gateway has to say in one terminal, and when: between two sequences of the target's, on lines of its own, and never into the picture of a
 * program that has the whole screen. Until that leaves, what cannot wait rings the bell and stands in the window's title, which no program's picture
 * is part of.
 */

import type { NoticeAbout } from '../../../session/protocol.ts'
import { plain, terminalLines } from '../transport/texts.ts'
import { ScreenState } from './screen-state.ts'

export interface Notice {
  /** Ends with CR and LF. */
  readonly lines: string
  /** Of what cannot wait: the same in a few words. It takes the place of what was said before about the same. */
  readonly urgent?: { readonly short: string; readonly about: NoticeAbout }
}

const MOST_WAITING = 16
/** XTWINOPS: the title on the terminal's stack, and back from there; OSC 2 is the title. */
const KEEP_TITLE = '\x1b[22;2t'
const TITLE_BACK = '\x1b[23;2t'
const BELL = '\x07'
/** Ends any sequence (ECMA-48 §8.3.6). */
const CANCEL = '\x18'

export class TerminalNotices {
  readonly screen = new ScreenState()
  #waiting: Notice[] = []
  /** What stands in the title. */
  #titled: string | undefined

  get waits(): boolean {
    return this.#waiting.length > 0
  }

  add(notice: Notice): void {
    const about = notice.urgent?.about
    if (about !== undefined) this.#waiting = this.#waiting.filter(({ urgent }) => urgent?.about !== about)
    if (this.#waiting.length < MOST_WAITING) this.#waiting.push(notice)
  }

  /** Says what may be said now; `write` gives false where there is no room, and is asked again later. `overdue`: within a sequence that does not end, too. */
  say(write: (text: string) => boolean, overdue = false): void {
    if (this.screen.atBoundary) this.#sayHere(write)
    else if (overdue)
      this.#sayHere(text => {
        const written = write(`${CANCEL}${text}`)
        if (written) this.screen.cancelled()
        return written
      })
  }

  #sayHere(write: (text: string) => boolean): void {
    if (this.screen.fullScreen) {
      const short = this.#waiting.findLast(one => one.urgent !== undefined)?.urgent?.short
      if (short === undefined || short === this.#titled) return
      const keep = this.#titled === undefined ? KEEP_TITLE : ''
      if (write(`${keep}\x1b]2;${short}\x1b\\${BELL}`)) this.#titled = short
      return
    }
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      // The person may be in the midst of a line.
      if (!write(`${this.#titleBack()}\r\n${next.lines}`)) return
      this.#titled = undefined
      this.#waiting.shift()
    }
  }

  /** What must come before a last word: whatever program has the screen is gone with it. */
  restored(): string {
    const cancel = this.screen.atBoundary ? '' : CANCEL
    const title = this.#titleBack()
    this.#titled = undefined
    return `${cancel}${title}${this.screen.alternate ? '\x1b[?1049l' : ''}`
  }

  #titleBack(): string {
    return this.#titled === undefined ? '' : TITLE_BACK
  }
}

export function noticeOf(text: string, short?: string, about: NoticeAbout = 'end'): Notice {
  const lines = terminalLines(text)
  return short === undefined ? { lines } : { lines, urgent: { short: plain(short).replaceAll('\n', ' '), about } }
}
