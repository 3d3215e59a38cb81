/** Puts pictures on a terminal: only lines that changed are sent, and never more than the last picture waits. */

import type { Line, Picture } from './picture.ts'

const STYLES: Record<Line['style'], string> = {
  plain: '\x1b[0m',
  strong: '\x1b[0;1m',
  faint: '\x1b[0;2m',
  chosen: '\x1b[0;7m',
}

/** The alternate screen, and pastes that are marked as such (xterm's bracketed paste). */
export const ENTER = '\x1b[?1049h\x1b[?2004h\x1b[0m\x1b[H\x1b[2J'
export const LEAVE = '\x1b[0m\x1b[?2004l\x1b[?1049l\x1b[?25h'
/** What a session may have left behind: mouse and paste modes, application keys, insert mode, a scroll region, another character set. The cursor stays. */
export const RESET =
  '\x1b[?1000;1002;1003;1004;1006;2004l\x1b[?1l\x1b>\x1b[?7h\x1b[?25h\x1b[4l\x1b7\x1b[r\x1b8\x1b[0m\x0f\x1b(B'

export interface Screen {
  show(picture: Picture): void
  /** The terminal shows something else by now: the next picture is drawn whole. */
  forget(): void
  /** Resolves when the last picture has left. */
  settled(): Promise<void>
}

export function createScreen(write: (text: string) => Promise<void>): Screen {
  let before: readonly Line[] = []
  let clear = false
  let next: Picture | undefined
  let drawing: Promise<void> | undefined

  async function draw(): Promise<void> {
    while (next !== undefined) {
      const picture = next
      next = undefined
      const text = `${clear ? '\x1b[2J' : ''}${drawn(picture, before)}`
      clear = false
      before = picture.lines
      await write(text)
    }
    drawing = undefined
  }

  return {
    show(picture) {
      next = picture
      drawing ??= draw()
    },
    forget() {
      before = []
      clear = true
    },
    async settled() {
      await drawing
    },
  }
}

/** Without wrapping: a character that is wider than it seems must not push the others down. */
function drawn({ lines, cursor }: Picture, before: readonly Line[]): string {
  const changed = lines.flatMap((line, row) => {
    const old = before[row]
    if (old !== undefined && old.text === line.text && old.style === line.style) return []
    return [`\x1b[${row + 1};1H\x1b[0m\x1b[2K${STYLES[line.style]}${line.text}\x1b[0m`]
  })
  return `\x1b[?25l\x1b[?7l${changed.join('')}\x1b[?7h\x1b[${cursor.row};${cursor.column}H\x1b[?25h`
}
