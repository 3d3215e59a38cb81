/** Takes a list or pipeline apart into its simple commands (POSIX Shell Command Language §2.9), where it is nothing else. */

import { readShellCommand, type ShellWord } from './shell-words.ts'

export interface SimpleCommand {
  readonly words: readonly ShellWord[]
  /** Something that it writes goes elsewhere. */
  readonly redirected: boolean
  /** What it writes is read by the one behind it. */
  readonly piped: boolean
}

const BETWEEN = /^(?:\|\||&&|\|&|[;|&\n])/
const OUTPUT_TO = /^(?:&>>?|>>|>\||>&|>)/
/** Right before the operator; the two may be on two lines that are one. */
const NUMBER_BEFORE = /\d(?:\\\n)*$/
const COMMENT = /^#[^\n]*/
/** A command can be long, and is read again behind each of these. */
const MOST_OPERATORS = 64

/** Undefined where there is more in it: groups, input from elsewhere, what is run for its output, a quote that does not end. */
export function simpleCommandsOf(command: string): SimpleCommand[] | undefined {
  const commands: SimpleCommand[] = []
  let words: ShellWord[] = []
  let redirected = false
  let toFile = false
  let from = command
  for (let operators = 0; operators <= MOST_OPERATORS; operators++) {
    const { words: read, plain, rest } = readShellCommand(from)
    if (!plain || (toFile && read.length === 0)) return undefined
    const own = toFile ? read.slice(1) : read
    words.push(...own)
    const output = OUTPUT_TO.exec(rest)?.[0]
    toFile = output !== undefined
    if (output !== undefined) {
      const number =
        /^\d+$/.test(own.at(-1)?.text ?? '') && NUMBER_BEFORE.test(from.slice(0, from.length - rest.length))
      if (number) words.pop()
      redirected = true
      from = rest.slice(output.length)
      continue
    }
    const comment = COMMENT.exec(rest)?.[0] ?? ''
    const between = BETWEEN.exec(rest.slice(comment.length))?.[0]
    if (between === undefined && rest.length > comment.length) return undefined
    const piped = between === '|' || between === '|&'
    if (words.length > 0) commands.push({ words, redirected, piped })
    if (between === undefined) return commands
    words = []
    redirected = false
    from = rest.slice(comment.length + between.length)
  }
  return undefined
}
