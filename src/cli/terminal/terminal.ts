/** Where a command reads and writes: streams, width, colours, and questions that do not echo. */

import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { styleText } from 'node:util'
import { EXIT } from '../../shared/exit-codes.ts'
import { Secret } from '../../shared/secret.ts'
import { printable } from '../../shared/text/printable.ts'
import { type Column, formatFacts, formatTable } from '../../shared/text/table.ts'
import { terminalSafeJson } from '../../shared/text/terminal-safe-json.ts'
import { CliError } from '../exit.ts'
import { readKeys, readLine, type TerminalInput } from './keyboard.ts'

export interface Streams {
  readonly stdin: TerminalInput
  readonly stdout: Writable & { isTTY?: boolean; columns?: number }
  readonly stderr: Writable & { isTTY?: boolean }
  readonly env: NodeJS.ProcessEnv
  /** Where SIGTERM, SIGINT and SIGHUP are heard. */
  readonly signals: Pick<NodeJS.EventEmitter, 'on' | 'off'>
}

export type Style = Parameters<typeof styleText>[0]
export type Terminal = ReturnType<typeof createTerminal>

const MAX_SECRET_BYTES = 64 * 1024

export function createTerminal(streams: Streams) {
  const { stdin, stdout, stderr, env } = streams
  let colours = stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb'
  const style = (how: Style, text: string) => (colours ? styleText(how, text, { validateStream: false }) : text)

  return {
    ...streams,
    style,
    /** Columns to fill; undefined when it is not a terminal that somebody looks at. */
    get width(): number | undefined {
      return stdout.isTTY === true ? (stdout.columns ?? 80) : undefined
    },
    /** Whether somebody is there to answer. */
    get interactive(): boolean {
      return stdin.isTTY === true && stdout.isTTY === true
    },
    withoutColours(): void {
      colours = false
    },
    get colours(): boolean {
      return colours
    },
    /** Resolves when more may be written. */
    async write(text: string): Promise<void> {
      if (!stdout.write(text)) await once(stdout, 'drain')
    },
    line(text = ''): void {
      stdout.write(`${text}\n`)
    },
    lines(all: readonly string[]): void {
      // One write: a long table in as many parts takes longer than it took to make.
      if (all.length > 0) stdout.write(`${all.join('\n')}\n`)
    },
    /** A remark that must not mix with what a script reads. */
    note(text: string): void {
      stderr.write(`${text}\n`)
    },
    json(value: unknown): void {
      stdout.write(`${terminalSafeJson(JSON.stringify(value, null, 2))}\n`)
    },
    table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], empty: string): void {
      if (rows.length === 0) return void stderr.write(`${empty}\n`)
      this.lines(formatTable(columns, rows, { width: this.width, title: text => style('dim', text) }))
    },
    facts(facts: readonly (readonly [string, string | undefined])[]): void {
      this.lines(formatFacts(facts, text => style('dim', text)))
    },

    /** What is typed, key by key, until `close`; undefined where nobody types or nobody sees. */
    keys(): { typed: AsyncIterable<string>; close(): void } | undefined {
      return this.interactive ? readKeys(stdin) : undefined
    },

    /** Everything on stdin as a secret, without the line end that `echo` adds. */
    async secretFromStdin(): Promise<Secret> {
      const chunks: Buffer[] = []
      let size = 0
      for await (const chunk of stdin) {
        chunks.push(Buffer.from(chunk))
        size += chunk.length
        if (size > MAX_SECRET_BYTES) throw new CliError(EXIT.usage, 'What came on stdin is too long for a secret.')
      }
      const bytes = Buffer.concat(chunks)
      const end = bytes.at(-1) === 0x0a ? (bytes.at(-2) === 0x0d ? -2 : -1) : undefined
      const secret = new Secret(bytes.subarray(0, end))
      if (secret.byteLength === 0) throw new CliError(EXIT.usage, 'Nothing came on stdin.')
      return secret
    },

    /** Asks without echo. Throws a usage error where there is no terminal to ask on. */
    async askSecret(question: string): Promise<Secret> {
      needTerminal('give the secret with --stdin')
      return new Secret(await readLine(stdin, stderr, question, false))
    },

    /** Asks twice, until both are the same. */
    async askNewSecret(question: string): Promise<Secret> {
      for (;;) {
        const first = await this.askSecret(`${question}: `)
        if (first.byteLength === 0) throw new CliError(EXIT.usage, 'Nothing was typed; nothing was changed.')
        const second = await this.askSecret(`${question}, again: `)
        if (first.revealBytes().equals(second.revealBytes())) return first
        stderr.write('These two differ; once more.\n')
      }
    },

    async ask(question: string): Promise<string> {
      needTerminal('it cannot be asked here')
      return (await readLine(stdin, stderr, question, true)).trim()
    },

    /** True when the answer begins with y. */
    async confirm(question: string, without = '--yes'): Promise<boolean> {
      needTerminal(`confirm with ${without}`)
      return /^y(es)?$/i.test((await readLine(stdin, stderr, `${question} [y/N] `, true)).trim())
    },

    /** One or two lines: what is wrong, what to do next. */
    complain(message: string, hint?: string): void {
      const red = (text: string) =>
        stderr.isTTY === true && colours ? styleText('red', text, { validateStream: false }) : text
      stderr.write(`${red('sallyport:')} ${message.split('\n').map(printable).join('\n')}\n`)
      if (hint !== undefined) stderr.write(`${hint.split('\n').map(printable).join('\n')}\n`)
    },
  }

  function needTerminal(instead: string): void {
    if (stdin.isTTY !== true || stdin.setRawMode === undefined)
      throw new CliError(EXIT.usage, `There is no terminal to ask on; ${instead}.`)
  }
}
