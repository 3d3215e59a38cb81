/** `sallyport credential set`: takes a secret by a prompt, stdin or a file, and never as an argument. */

import { readFile } from 'node:fs/promises'
import type { Target } from '../../../api/routes/targets.ts'
import { messageOf } from '../../../shared/errors.ts'
import { EXIT } from '../../../shared/exit-codes.ts'
import { Secret } from '../../../shared/secret.ts'
import { readAccount } from '../../account.ts'
import { type Context, textForVault } from '../../context.ts'
import { CliError } from '../../exit.ts'
import type { Terminal } from '../../terminal/terminal.ts'
import { generateCredential } from './generate.ts'

export interface SetOptions {
  stdin?: boolean
  privateKey?: string
  passphrase?: boolean
  totp?: boolean
  login?: string
  generate?: string
}

export async function setCredential(context: Context, account: string, options: SetOptions): Promise<void> {
  const { terminal } = context
  const { account: name, target } = readAccount(account)
  if (options.generate !== undefined) {
    if (Object.keys(options).length > 1) throw new CliError(EXIT.usage, '--generate makes it: nothing else is given.')
    return generateCredential(context, account, options.generate)
  }
  const client = await context.client()
  // Before anything is asked for: nobody should type a secret for nothing.
  const entry = await client.get<Target>(`/v1/targets/${encodeURIComponent(target)}`)
  if (!entry.accounts.some(each => each.name === name)) {
    throw new CliError(EXIT.no, `The target ${target} has no account ${name}; add it with: sallyport apply -f FOLDER`)
  }
  // It is good for the target as that is now: nobody should type it for another.
  if (!context.json) terminal.note(`${account} is at ${entry.protocol} ${entry.host}:${entry.port}.`)
  const { login } = options
  const body = { ...(await readMaterial(account, options, terminal)), ...(login === undefined ? {} : { login }) }
  const { version } = await client.send<{ version: number }>('PUT', `/v1/credentials/${target}/${name}`, body)
  if (context.json) terminal.json({ account: name, target, version })
  else terminal.line(`Stored version ${version} of ${account}.`)
}

async function readMaterial(account: string, options: SetOptions, terminal: Terminal) {
  const { stdin = false, privateKey, passphrase, totp = false } = options
  if (privateKey !== undefined) {
    const key = privateKey === '-' ? await terminal.secretFromStdin() : await readKeyFile(privateKey)
    return {
      kind: 'private-key',
      privateKey: textForVault(key),
      ...(passphrase ? { passphrase: textForVault(await terminal.askSecret('Passphrase of the key: ')) } : {}),
      ...(totp ? { totp: textForVault(await readTotp(terminal, stdin && privateKey !== '-')) } : {}),
    }
  }
  if (stdin) {
    const given = textForVault(await terminal.secretFromStdin())
    return { kind: 'password', ...(totp ? withLastLine(given) : { password: given }) }
  }
  const password = textForVault(await terminal.askNewSecret(`Password of ${account}`))
  return { kind: 'password', password, ...(totp ? { totp: textForVault(await readTotp(terminal, false)) } : {}) }
}

function readTotp(terminal: Terminal, stdin: boolean): Promise<Secret> {
  return stdin
    ? terminal.secretFromStdin()
    : terminal.askSecret('Secret of the one-time codes (otpauth://… or base 32): ')
}

/** No password holds a line break. */
function withLastLine(text: string): { password: string; totp: string } {
  const [, password, totp] = /^([^\r\n]*)\r?\n([^\r\n]+)$/.exec(text) ?? []
  if (password === undefined || totp === undefined) {
    const lines = 'With --stdin and --totp two lines are expected: the password, and the secret of the one-time codes.'
    throw new CliError(EXIT.usage, lines)
  }
  return { password, totp }
}

async function readKeyFile(path: string): Promise<Secret> {
  try {
    return new Secret(await readFile(path))
  } catch (error) {
    throw new CliError(EXIT.usage, `--private-key: ${path} cannot be read: ${messageOf(error)}.`)
  }
}
