/** Makes a recorded terminal stream safe to show: the picture stays, what would act on the viewer's terminal goes. */

import { createUnseenMarker } from '../../shared/text/unseen.ts'
import { createTerminalParser } from './escape-sequences.ts'

export interface Neutraliser {
  /** A program has a screen of its own: lines beside its output would spoil its picture. */
  readonly alternate: boolean
  /** Returns what may be written to a terminal. */
  push(bytes: Buffer): string
  end(): string
  /** What brings the viewer's terminal back to normal from all that was let through. */
  restore(): string
}

/** BS, HT, LF, VT, FF, CR, SO, SI. Not BEL, ENQ (answers), XON and XOFF. */
const KEPT_CONTROLS = new Set([0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f])
/** Save and restore the cursor, index, next line, tab stop, reverse index. */
const KEPT_ESCAPES = new Set(['7', '8', 'D', 'E', 'H', 'M'])
/** Cursor, erase, insert, delete, scroll, tabs, repeat. */
const KEPT_CSI = new Set('@ABCDEFGHIJKLMPSXZ`abdefg')
/** Origin, wrap, cursor blinking and visible, alternate screens. Never what changes the keyboard, the mouse or the window's size. */
const KEPT_DEC_MODES = new Set(['5', '6', '7', '12', '25', '47', '1047', '1048', '1049'])
const ALTERNATE_SCREENS = new Set(['47', '1047', '1049'])
const CLEAR = '\x1b[0m\x1b(B\x1b[r\x1b[H\x1b[2J'
/** No screen is larger; a program's `REP` of two thousand million characters would hang the viewer. */
const MAX_PARAMETER = 9999
const MAX_PARAMETERS = 32

export function createNeutraliser(): Neutraliser {
  let output = ''
  let alternate = ''
  let region = false
  let origin = false
  const marked = createUnseenMarker()

  const parser = createTerminalParser({
    text(text) {
      output += marked(text)
    },
    control(code) {
      if (KEPT_CONTROLS.has(code)) output += String.fromCharCode(code)
    },
    escape(intermediates, final) {
      if (intermediates === '' && final === 'c') {
        // It leaves the alternate screen as well.
        output += `${alternate === '' ? '' : `\x1b[?${alternate}l`}${CLEAR}`
        alternate = ''
      }
      const kept =
        (intermediates === '' && KEPT_ESCAPES.has(final)) ||
        (/^[()]$/.test(intermediates) && '0AB'.includes(final)) ||
        (intermediates === '#' && '34568'.includes(final))
      if (kept) output += `\x1b${intermediates}${final}`
    },
    csi(prefix, parameters, intermediates, final) {
      if (intermediates === '') output += csi(prefix, parameters.split(';'), final)
    },
  })

  function csi(prefix: string, parameters: string[], final: string): string {
    const text = parameters.join(';')
    if (prefix === '?' && (final === 'h' || final === 'l')) return modes(parameters, final)
    if (prefix === '?' && 'JK'.includes(final)) return bounded('?', parameters, final)
    if (prefix !== '') return ''
    if (final === 'm') return parameters.length <= MAX_PARAMETERS ? `\x1b[${text}m` : ''
    if (final === 'r') region = true
    if (final === 'r' || KEPT_CSI.has(final)) return bounded('', parameters, final)
    // With one parameter it scrolls, with five it tracks the mouse.
    if (final === 'T' && parameters.length === 1) return bounded('', parameters, final)
    if ((final === 's' || final === 'u') && text === '') return `\x1b[${final}`
    // Insert mode alone: others lock the keyboard or change what Return sends.
    if ((final === 'h' || final === 'l') && text === '4') return `\x1b[4${final}`
    return ''
  }

  function modes(parameters: string[], final: 'h' | 'l'): string {
    const kept = parameters.filter(mode => KEPT_DEC_MODES.has(mode))
    for (const mode of kept) {
      if (ALTERNATE_SCREENS.has(mode)) alternate = final === 'h' ? mode : ''
      if (mode === '6') origin = final === 'h'
    }
    return kept.length === 0 ? '' : `\x1b[?${kept.join(';')}${final}`
  }

  function take(): string {
    const taken = output
    output = ''
    return taken
  }

  return {
    get alternate() {
      return alternate !== ''
    },
    push(bytes) {
      parser.push(bytes)
      return take()
    },
    end() {
      parser.end()
      return take()
    },
    restore() {
      // What resets the scroll region or the origin moves the cursor home, the alternate screen's end brings it back: only where due.
      const screen = alternate === '' ? '' : `\x1b[?${alternate}l`
      const scroll = region ? '\x1b7\x1b[r\x1b8' : ''
      return `${origin ? '\x1b[?6l' : ''}\x1b[?5l\x1b[?7h\x1b[4l\x0f\x1b(B\x1b)B${scroll}${screen}\x1b[0m\x1b[?25h`
    },
  }
}

function bounded(prefix: string, parameters: string[], final: string): string {
  if (parameters.length > MAX_PARAMETERS || parameters.some(parameter => parameter.includes(':'))) return ''
  const numbers = parameters.map(parameter =>
    parameter === '' ? '' : String(Math.min(Number(parameter), MAX_PARAMETER)),
  )
  return `\x1b[${prefix}${numbers.join(';')}${final}`
}
