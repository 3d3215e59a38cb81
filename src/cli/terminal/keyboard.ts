/** What is typed at a terminal in raw mode: a line that may not be echoed, or key by key. */

import type { Readable, Writable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { EXIT } from '../../shared/exit-codes.ts'
import { CliError } from '../exit.ts'

export type TerminalInput = Readable & { isTTY?: boolean; setRawMode?(raw: boolean): unknown }

/** One line; echoed only where it may be. Ctrl-C and Ctrl-D give up, Ctrl-U begins anew. */
export async function readLine(
  stdin: TerminalInput,
  echoTo: Writable,
  question: string,
  echo: boolean,
): Promise<string> {
  echoTo.write(question)
  const { typed: chunks, close } = readKeys(stdin)
  let typed: string[] = []
  try {
    for await (const chunk of chunks) {
      for (const character of chunk) {
        if (character === '\r' || character === '\n') return typed.join('')
        if (character === '\u0003' || character === '\u0004')
          throw new CliError(EXIT.no, 'Stopped; nothing was changed.')
        if (character === '\u007f' || character === '\b') {
          if (typed.pop() !== undefined && echo) echoTo.write('\b \b')
        } else if (character === '\u0015') {
          if (echo) echoTo.write('\b \b'.repeat(typed.length))
          typed = []
        } else if (character >= ' ') {
          typed.push(character)
          if (echo) echoTo.write(character)
        }
      }
    }
    throw new CliError(EXIT.no, 'The terminal went away; nothing was changed.')
  } finally {
    close()
    echoTo.write('\n')
  }
}

/** Raw mode until `close`, which also ends the iteration and lets the process end. */
export function readKeys(stdin: TerminalInput): { typed: AsyncIterable<string>; close(): void } {
  const waiting: string[] = []
  const decoder = new StringDecoder('utf8')
  let closed = false
  let wake: () => void = () => undefined
  const onData = (chunk: Buffer | string) => {
    waiting.push(typeof chunk === 'string' ? chunk : decoder.write(chunk))
    wake()
  }
  const onEnd = () => {
    closed = true
    wake()
  }
  stdin.setRawMode?.(true)
  stdin.on('data', onData).on('end', onEnd).on('error', onEnd)
  stdin.resume()

  async function* typed(): AsyncGenerator<string> {
    for (;;) {
      const next = waiting.shift()
      if (next !== undefined) yield next
      else if (closed) return
      else await new Promise<void>(resolve => (wake = resolve))
    }
  }

  return {
    typed: typed(),
    close() {
      stdin.off('data', onData).off('end', onEnd).off('error', onEnd)
      stdin.setRawMode?.(false)
      stdin.pause()
      onEnd()
    },
  }
}
