/** Decides which keystrokes may be recorded: those that the target's terminal shows. What it does not echo may be a password. */

/** What stands in the recording for keystrokes that were not shown; it does not say how many. */
export const NOT_ECHOED = Buffer.from('[not echoed]')

const ESCAPE = 27
const CARRIAGE_RETURN = 13
const LINE_FEED = 10
const BACKSPACE = 8
const DELETE = 127
/** Keystrokes that wait for their echo; a paste that is longer is not kept. */
const MAX_WAITING = 64 * 1024

/**
 * A keystroke is kept when the next thing that the target shows is that very character (escape sequences do not count).
 * The first thing shown that is something else, or a new line while characters still wait, decides against all that
 * wait: a prompt without echo shows nothing before the new line, a program that paints its screen shows other things.
 */
export class EchoedInput {
  readonly #keep: (bytes: Buffer) => void
  #waiting: number[] = []
  #shown: number[] = []
  /** The last keystroke that was shown: the line feed behind a carriage return is its echo too. */
  #last = 0
  #escape: 'none' | 'begun' | 'control' | 'text' = 'none'

  constructor(keep: (bytes: Buffer) => void) {
    this.#keep = keep
  }

  typed(bytes: Buffer): void {
    if (this.#waiting.length + bytes.length > MAX_WAITING) this.#drop()
    else this.#waiting.push(...bytes.subarray(0, MAX_WAITING))
  }

  shown(bytes: Buffer): void {
    if (this.#waiting.length === 0) {
      for (const byte of bytes) this.#visible(byte)
      return
    }
    for (const byte of bytes) {
      if (!this.#visible(byte) || this.#waiting.length === 0) continue
      const next = this.#waiting[0]!
      if (
        byte === next ||
        (byte === LINE_FEED && next === CARRIAGE_RETURN) ||
        // Programs type line feeds; a terminal shows the end of a line alike.
        (byte === CARRIAGE_RETURN && next === LINE_FEED) ||
        (byte === BACKSPACE && next === DELETE)
      ) {
        this.#shown.push(next)
        this.#last = byte === CARRIAGE_RETURN ? byte : next
        this.#waiting.shift()
      } else if (byte !== LINE_FEED || this.#last !== CARRIAGE_RETURN) this.#drop()
    }
    this.#flush()
  }

  /** The channel is over. */
  end(): void {
    this.#drop()
  }

  #drop(): void {
    this.#flush()
    if (this.#waiting.length === 0) return
    this.#waiting = []
    this.#keep(NOT_ECHOED)
  }

  #flush(): void {
    if (this.#shown.length === 0) return
    this.#keep(Buffer.from(this.#shown))
    this.#shown = []
  }

  /** Whether this byte of output is part of what is shown, not of an escape sequence (ECMA-48: CSI, OSC and their like). */
  #visible(byte: number): boolean {
    switch (this.#escape) {
      case 'none':
        if (byte === ESCAPE) this.#escape = 'begun'
        return byte !== ESCAPE && byte !== 7 && byte !== 0
      case 'begun':
        this.#escape = byte === 0x5b ? 'control' : [0x5d, 0x50, 0x5e, 0x5f, 0x58].includes(byte) ? 'text' : 'none'
        return false
      case 'control':
        if (byte >= 0x40 && byte <= 0x7e) this.#escape = 'none'
        return false
      case 'text':
        if (byte === 7) this.#escape = 'none'
        else if (byte === ESCAPE) this.#escape = 'begun'
        return false
    }
  }
}
