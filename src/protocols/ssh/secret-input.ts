/** Which standard input of a command is a secret: a guess from the command alone, for what a client sends before anybody asks. */

import { readShellCommand, type ShellWord } from './shell-words.ts'

/** `all` of it, or the `first-line`: a password that a program reads before it hands the rest on. */
export type SecretInput = 'all' | 'first-line' | 'none'

/** `sudo` and its options; those that take a value take the next word. */
const SUDO = /\bsudo((?:\s+(?:-[A-Za-z]*[CDRTUghprtu]\s+(?:"[^"]*"|'[^']*'|\S+)|--[a-z-]+(?:=\S+)?|-[A-Za-z]+))*)/g
const FROM_STDIN = /(?:^|\s)(?:-[A-Za-z]*S|--stdin)/
const NEVER_ASKS = /(?:^|\s)(?:-[A-Za-z]*n|--non-interactive)/
const SU = /(?:^|[\s;&|('"`/])su(?=[\s'"]|$)/
/** Ansible waits for this word before it goes on as somebody else, whichever program makes it so. */
const ANSIBLE_BECOMES = /\bBECOME-SUCCESS-/

/** Programs that read passwords to set, and options that mean "the secret comes on standard input". */
const SETS_PASSWORDS = new Set(['chpasswd', 'passwd', 'smbpasswd', 'htpasswd'])
const SECRET_OPTION = /^--(?:password|passphrase|token)-stdin$|^--with-token$|^--passphrase-fd=0$/
const SUDO_OPTION_WITH_VALUE = /^-[A-Za-z]*[CDRTUghprtu]$/

/** `asRoot`: nobody asks root for a password. */
export function secretInputOf(command: string, asRoot: boolean): SecretInput {
  const { words, alone } = readShellCommand(command)
  if (alone && readsSecretAlone(words.map(word => word.text))) return 'all'
  if (asRoot) return 'none'
  const sudos = [...command.matchAll(SUDO)].map(match => match[1]!)
  if (sudos.some(options => FROM_STDIN.test(options) && !NEVER_ASKS.test(options))) return 'first-line'
  const otherwise = SU.test(command) || (ANSIBLE_BECOMES.test(command) && sudos.length === 0)
  return otherwise ? 'first-line' : 'none'
}

function readsSecretAlone(words: readonly ShellWord['text'][]): boolean {
  let at = 0
  if (words[0] === 'sudo') {
    for (at = 1; words[at]?.startsWith('-'); at++) if (SUDO_OPTION_WITH_VALUE.test(words[at]!)) at++
  }
  const program = words[at]?.split('/').at(-1) ?? ''
  const rest = words.slice(at + 1)
  return (
    SETS_PASSWORDS.has(program) ||
    rest.some(word => SECRET_OPTION.test(word)) ||
    rest.some((word, i) => word === '--passphrase-fd' && rest[i + 1] === '0')
  )
}
