/**
 * Which standard input of a command may be a secret. Only what a shell or an interpreter reads as its script is shown to everybody
 * who may read the recording; programs that read secrets cannot be listed, so that everything else is hidden (and kept).
 */

import { stdinOfInterpreter } from './interpreters.ts'
import type { ShellWord } from './shell-words.ts'
import { simpleCommandsOf } from './simple-commands.ts'
import { sudoOptionsOf } from './sudo-options.ts'
import { systemProgramOf } from './system-program.ts'

/** `all` of it, or the `first-line`: a password that a program reads before it hands the rest on. */
export type SecretInput = 'all' | 'first-line' | 'none'

/** What programs make of the standard input that they have in common. */
interface Reading {
  /** It is run, or shown as output. */
  readonly used: boolean
  /** One of them reads a password from it, before anything else. */
  readonly password: boolean
}

const NOTHING: Reading = { used: false, password: false }
const USED: Reading = { used: true, password: false }
const PASSWORD: Reading = { used: false, password: true }

/** They start what stands behind them, and read nothing. */
const STARTERS = new Set(['command', 'env', 'exec', 'nohup'])
const READ_NOTHING = new Set([
  ...[':', 'cd', 'echo', 'exit', 'export', 'false', 'id', 'mkdir', 'printf'],
  ...['pwd', 'set', 'sleep', 'test', 'true', 'ulimit', 'umask', 'uname', 'unset'],
])
const ASSIGNMENT = /^[A-Za-z_][A-Za-z0-9_]*=/
/** Commands in commands, and programs that start programs: no honest command has more. */
const DEEPEST = 8

export function secretInputOf(command: string): SecretInput {
  const reading = readingOf(command, 0)
  if (reading?.used !== true) return 'all'
  return reading.password ? 'first-line' : 'none'
}

/** Undefined where one of its programs may read anything, or a password that is not the first line. */
function readingOf(command: string, depth: number): Reading | undefined {
  const commands = depth < DEEPEST ? simpleCommandsOf(command) : undefined
  return commands?.reduce<Reading | undefined>(
    (before, { words, redirected }) => then(before, readingOfWords(words, redirected, depth)),
    NOTHING,
  )
}

function readingOfWords(words: readonly ShellWord[], redirected: boolean, depth: number): Reading | undefined {
  let before: Reading | undefined = NOTHING
  let at = 0
  for (let starters = 0; starters < DEEPEST; starters++) {
    while (ASSIGNMENT.test(words[at]?.text ?? '')) at++
    if (at >= words.length) return before
    const program = systemProgramOf(words[at++])
    if (program === undefined) return undefined
    if (program === 'sudo') {
      const options = sudoOptionsOf(words.slice(at))
      if (options.fromStdin && !options.neverAsks) before = then(before, PASSWORD)
      at += options.words
      if (at >= words.length && options.shell) return then(before, USED)
    } else if (!STARTERS.has(program)) {
      return then(before, readingOfProgram(program, words.slice(at), redirected, depth))
    }
  }
  return undefined
}

function readingOfProgram(
  program: string,
  words: readonly ShellWord[],
  redirected: boolean,
  depth: number,
): Reading | undefined {
  if (READ_NOTHING.has(program)) return NOTHING
  // What it reads is what it shows.
  if (program === 'cat') return words.length === 0 && !redirected ? USED : undefined
  const isSu = program === 'su'
  const stdin = isSu ? stdinOfSu(words) : stdinOfInterpreter(program, words)
  if (stdin === undefined) return undefined
  return then(isSu ? PASSWORD : NOTHING, stdin === 'script' ? USED : readingOf(stdin.command, depth + 1))
}

/** A shell of another user, or one command in it. */
function stdinOfSu(words: readonly ShellWord[]): 'script' | { command: string } | undefined {
  const at = words.findIndex(({ text }) => /^(?:-[lmp]*c|--command)$/.test(text))
  const command = at === -1 ? undefined : words[at + 1]
  const others = words.filter((_, i) => at === -1 || (i !== at && i !== at + 1))
  const users = others.filter(({ text }) => !/^(?:-[lmp]*|--login)$/.test(text))
  if (users.length > 1 || users.some(({ text }) => text.startsWith('-'))) return undefined
  if (at === -1) return 'script'
  return command === undefined || command.expands ? undefined : { command: command.text }
}

function then(before: Reading | undefined, next: Reading | undefined): Reading | undefined {
  if (before === undefined || next === undefined) return undefined
  if (next.password && (before.used || before.password)) return undefined
  return { used: before.used || next.used, password: before.password || next.password }
}
