/** What shells and interpreters do with their standard input, by their arguments: `script` is what they run. */

import type { ShellWord } from './shell-words.ts'

const SHELLS = new Set(['ash', 'bash', 'dash', 'fish', 'ksh', 'mksh', 'sh', 'zsh'])
const LONG_OPTIONS = new Set(['--login', '--noprofile', '--norc', '--posix'])
const PYTHON = /^python[\d.]*$/
const PYTHON_OPTIONS = /^-[bBdEIOPqsSuv]+$/
/** Without arguments, or with `-` for one. */
const PLAIN = /^(?:lua|node|perl|php|ruby|tclsh)[\d.]*$/

/** The command that a shell is given runs in place of a script; undefined where it is not known who reads. */
export function stdinOfInterpreter(
  program: string,
  words: readonly ShellWord[],
): 'script' | { command: string } | undefined {
  if (SHELLS.has(program)) return stdinOfShell(words)
  const script = PYTHON.test(program)
    ? words.find(word => word.expands || !PYTHON_OPTIONS.test(word.text))
    : PLAIN.test(program)
      ? words[0]
      : undefined
  if (!PYTHON.test(program) && !PLAIN.test(program)) return undefined
  return script === undefined || (!script.expands && script.text === '-') ? 'script' : undefined
}

/** POSIX `sh`: options, then with -c a command, with -s only arguments, else the file of a script. */
function stdinOfShell(words: readonly ShellWord[]): 'script' | { command: string } | undefined {
  let letters = ''
  let at = 0
  for (; at < words.length; at++) {
    const { text, expands } = words[at]!
    if (expands) return undefined
    if (text === '-' || text === '--') {
      at++
      break
    }
    if (text.startsWith('--')) {
      if (!LONG_OPTIONS.has(text)) return undefined
    } else if (/^[-+]./.test(text)) {
      if (text.startsWith('-')) letters += text.slice(1)
      if (/[oO]$/.test(text)) at++
    } else break
  }
  const operand = words[at]
  if (letters.includes('c')) return operand === undefined || operand.expands ? undefined : { command: operand.text }
  return letters.includes('s') || operand === undefined ? 'script' : undefined
}
