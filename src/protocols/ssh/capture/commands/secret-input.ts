/**
 * Which standard input of a command may be a secret. Only what a shell or an interpreter reads as its script is shown to everybody
 * who may read the recording; programs that read secrets cannot be listed, so that everything else is hidden (and kept).
 */

import { stdinOfInterpreter } from './interpreters.ts'
import type { ShellWord } from './shell-words.ts'
import { type SimpleCommand, simpleCommandsOf } from './simple-commands.ts'
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

/** Where a command stands. */
interface Around {
  /** In so many others. */
  readonly depth: number
  /** What it writes is in the recording as output, or is run: it goes to no file. */
  readonly shown: boolean
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
  const reading = readingOf(command, { depth: 0, shown: true })
  if (reading?.used !== true) return 'all'
  return reading.password ? 'first-line' : 'none'
}

/** Undefined where one of its programs may read anything, or a password that is not the first line. */
function readingOf(command: string, { depth, shown }: Around): Reading | undefined {
  const commands = depth < DEEPEST ? simpleCommandsOf(command) : undefined
  if (commands === undefined) return undefined
  // From its last to its first: what one writes in a pipeline is for the next.
  const around = { depth, shown: shown && !commands.some(movesOutput) }
  let reading: Reading | undefined = NOTHING
  let next: Reading | undefined
  for (const { words, redirected, piped } of commands.reverse()) {
    const output = !redirected && (piped ? next?.used === true : around.shown)
    next = readingOfWords(words, { depth, shown: output })
    reading = then(next, reading)
  }
  return reading
}

/** `exec` without a program: from there on everything is written elsewhere. */
function movesOutput({ words, redirected }: SimpleCommand): boolean {
  return redirected && words.some(({ text }) => text === 'exec')
}

function readingOfWords(words: readonly ShellWord[], around: Around): Reading | undefined {
  let before: Reading | undefined = NOTHING
  let at = 0
  for (let starters = 0; starters < DEEPEST; starters++) {
    while (ASSIGNMENT.test(words[at]?.text ?? '')) at++
    if (at >= words.length) return before
    const program = systemProgramOf(words[at++])
    if (program === undefined) return undefined
    if (program === 'sudo') {
      const options = sudoOptionsOf(words.slice(at))
      if (options.edits) return undefined
      if (options.fromStdin && !options.neverAsks) before = then(before, PASSWORD)
      at += options.words
      if (at >= words.length && options.shell) return then(before, USED)
    } else if (!STARTERS.has(program)) {
      return then(before, readingOfProgram(program, words.slice(at), around))
    }
  }
  return undefined
}

function readingOfProgram(program: string, words: readonly ShellWord[], { depth, shown }: Around): Reading | undefined {
  if (READ_NOTHING.has(program)) return NOTHING
  // What it reads is what it shows, or what the next one runs.
  if (program === 'cat') return words.length === 0 && shown ? USED : undefined
  const isSu = program === 'su'
  const stdin = isSu ? stdinOfSu(words) : stdinOfInterpreter(program, words)
  if (stdin === undefined) return undefined
  const reading = stdin === 'script' ? USED : readingOf(stdin.command, { depth: depth + 1, shown })
  return then(isSu ? PASSWORD : NOTHING, reading)
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
