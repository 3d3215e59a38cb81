/** The terminal that a client asked for (RFC 4254 §6.2): its type, its size now, and its modes. */

import { string, uint32, type WireReader } from '../../../shared/ssh-encoding/wire.ts'

/** Larger is no terminal: what is drawn, and kept, is bounded by it. */
const MOST_COLUMNS = 1_000
const MOST_ROWS = 500

export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

export class ClientTerminal {
  readonly type: string
  readonly #modes: Buffer
  /** As the client gave them, for a target: columns, rows, width and height in pixels. */
  #size: readonly [number, number, number, number]

  /** Reads what follows the wish for a reply of `pty-req`. Throws WireError. */
  constructor(fields: WireReader) {
    this.type = fields.utf8()
    this.#size = sizeIn(fields)
    this.#modes = Buffer.from(fields.string())
  }

  /** What follows the wish for a reply of `window-change` (RFC 4254 §6.7). */
  resized(fields: WireReader): void {
    this.#size = sizeIn(fields)
  }

  /** To draw in: bounded, and 80x24 where the client says nothing. */
  get size(): TerminalSize {
    const [columns, rows] = this.#size
    return { columns: Math.min(columns || 80, MOST_COLUMNS), rows: Math.min(rows || 24, MOST_ROWS) }
  }

  /** The fields of `pty-req` for a target, with the size of now. */
  get request(): Buffer[] {
    return [string(this.type), ...this.change, string(this.#modes)]
  }

  /** The fields of `window-change`. */
  get change(): Buffer[] {
    return this.#size.map(uint32)
  }
}

function sizeIn(fields: WireReader): [number, number, number, number] {
  return [fields.uint32(), fields.uint32(), fields.uint32(), fields.uint32()]
}
