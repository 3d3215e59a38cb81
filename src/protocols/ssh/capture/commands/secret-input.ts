/** Which standard input of a command is a secret: a guess from the command alone, for what a client sends before anybody asks. */

import { readShellCommand, type ShellWord } from './shell-words.ts'
import { readSudoOptions, sudoOptionsOf } from './sudo-options.ts'
import { systemProgramOf } from './system-program.ts'

/** `all` of it, or the `first-line`: a password that a program reads before it hands the rest on. */
export type SecretInput = 'all' | 'first-line' | 'none'

const SUDO = /\bsudo\b['"]?/g
const SU = /(?:^|[\s;&|('"`/])su(?=[\s'"]|$)/
/** Ansible waits for this word before it goes on as somebody else, whichever program makes it so. */
const ANSIBLE_BECOMES = /\bBECOME-SUCCESS-/

/** Programs that read passwords to set, and nothing else. */
const SETS_PASSWORDS = new Set(['chpasswd', 'passwd', 'smbpasswd', 'htpasswd'])
/** Options that mean "the secret comes on standard input"; whoever starts a shell can give it one too. */
const SECRET_OPTION = /^--(?:password|passphrase|token)-stdin$|^--with-token$|^--passphrase-fd=0$/
/** Of these it is all that they read (a key in JSON has many lines). */
const LOGS_IN =
  /^(?:(?:docker|podman|nerdctl|buildah|skopeo|oras) login|helm registry login|(?:gh|crane) auth login)(?: |$)/

/** `asRoot`: nobody asks root for a password. */
export function secretInputOf(command: string, asRoot: boolean): SecretInput {
  const { words, alone } = readShellCommand(command)
  const given = alone ? secretGivenTo(words) : 'none'
  if (given !== 'none' || asRoot) return given
  let sudos = 0
  for (const { 0: found, index } of command.matchAll(SUDO)) {
    const { fromStdin, neverAsks } = readSudoOptions(command.slice(index + found.length))
    if (fromStdin && !neverAsks) return 'first-line'
    sudos++
  }
  const otherwise = SU.test(command) || (ANSIBLE_BECOMES.test(command) && sudos === 0)
  return otherwise ? 'first-line' : 'none'
}

/** By a command that is nothing else. */
function secretGivenTo(words: readonly ShellWord[]): SecretInput {
  const at = systemProgramOf(words[0]) === 'sudo' ? 1 + sudoOptionsOf(words.slice(1)).words : 0
  const program = systemProgramOf(words[at])
  if (program === undefined) return 'none'
  if (SETS_PASSWORDS.has(program)) return 'all'
  const rest = words.slice(at + 1).map(word => word.text)
  const asked =
    rest.some(word => SECRET_OPTION.test(word)) ||
    rest.some((word, i) => word === '--passphrase-fd' && rest[i + 1] === '0')
  if (!asked) return 'none'
  return LOGS_IN.test([program, ...rest].join(' ')) ? 'all' : 'first-line'
}
