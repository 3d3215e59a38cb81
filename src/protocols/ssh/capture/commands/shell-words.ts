/** Reads a command as the target's shell will (POSIX Shell Command Language §2.2, §2.6): quotes taken off, and what it would expand told. */

export interface ShellWord {
  readonly text: string
  /** A variable, a command, a pattern, a brace or a tilde stands in it unquoted: what the shell makes of it is not known here. */
  readonly expands: boolean
}

export interface ShellCommand {
  /** The words up to the first operator. */
  readonly words: readonly ShellWord[]
  /** What follows, from the first operator or comment on. */
  readonly rest: string
  /** No command runs inside of a word, and every quote ends, for whatever shell. */
  readonly plain: boolean
  /** Nothing but these words runs: they are plain, and no second command and no redirection follows. */
  readonly alone: boolean
}

const BLANKS = ' \t'
const OPERATORS = ';&|<>()\n'
const EXPANDS = '$`*?[{'
/** Inside double quotes a backslash stands for itself before any other character. */
const ESCAPED_IN_DOUBLE_QUOTES = '$`"\\'

export function readShellCommand(command: string): ShellCommand {
  const words: ShellWord[] = []
  let text = ''
  let begun = false
  let expands = false
  let substitutes = false
  let at = 0

  function endWord(): void {
    if (begun) words.push({ text, expands })
    text = ''
    begun = expands = false
  }

  while (at < command.length) {
    const character = command[at]!
    if (BLANKS.includes(character)) endWord()
    else if (OPERATORS.includes(character) || (character === '#' && !begun)) {
      return finished(command.slice(at))
    } else if (character === "'") {
      const end = command.indexOf("'", at + 1)
      text += command.slice(at + 1, end === -1 ? undefined : end)
      begun = true
      if (end === -1) return unfinished()
      // Where a backslash counts in there (bash behind `$`, fish), the quote ends elsewhere.
      if (command[at - 1] === '$' || command[end - 1] === '\\') substitutes = true
      at = end
    } else if (character === '"') {
      begun = true
      const end = doubleQuoted(at + 1)
      if (end === undefined) return unfinished()
      at = end
    } else if (character === '\\') {
      at += 1
      if (at === command.length) return unfinished()
      // With a line end behind it, it joins two lines.
      if (command[at] !== '\n') {
        text += command[at]!
        begun = true
      }
    } else {
      if (EXPANDS.includes(character) || (character === '~' && !begun)) expands = true
      noteSubstitution(at)
      text += character
      begun = true
    }
    at += 1
  }
  return finished('')

  /** A command, or an expression that can hold one: it reads the same standard input. */
  function noteSubstitution(at: number): void {
    if (command[at] === '`' || (command[at] === '$' && '({'.includes(command[at + 1] ?? ' '))) substitutes = true
  }

  function finished(rest: string): ShellCommand {
    endWord()
    return { words, rest, plain: !substitutes, alone: !substitutes && rest.trim() === '' }
  }

  function unfinished(): ShellCommand {
    endWord()
    return { words, rest: '', plain: false, alone: false }
  }

  /** Returns where the closing quote stands. */
  function doubleQuoted(from: number): number | undefined {
    for (let i = from; i < command.length; i++) {
      const character = command[i]!
      if (character === '"') return i
      if (character === '\\' && command[i + 1] === '\n') i += 1
      else if (character === '\\' && i + 1 < command.length && ESCAPED_IN_DOUBLE_QUOTES.includes(command[i + 1]!)) {
        i += 1
        text += command[i]!
      } else {
        if (character === '$' || character === '`') expands = true
        noteSubstitution(i)
        text += character
      }
    }
    return undefined
  }
}
