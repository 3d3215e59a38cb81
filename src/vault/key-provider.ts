/** Where the key encryption key comes from: a file, an environment variable, or a command (a KMS client, a TPM tool). */

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { GatewayError, messageOf } from '../shared/errors.ts'
import { KEY_BYTES, KeyEncryptionKey } from './key-encryption-key.ts'

export type KeySource =
  | { readonly file: string }
  /** The name of the variable. */
  | { readonly environment: string }
  /** The program and its arguments; no shell reads them. It prints the key in base64. */
  | { readonly command: readonly string[] }

export interface KeyProvider {
  /** Reads the key. Throws `VAULT_KEY_UNAVAILABLE` with what to do about it. */
  load(): Promise<KeyEncryptionKey>
}

const COMMAND_TIMEOUT_MS = 30_000
const MAX_BYTES = 4096

export function createKeyProvider(source: KeySource): KeyProvider {
  return {
    async load() {
      if ('file' in source) return parseKey(await readKeyFile(source.file), source.file)
      if ('environment' in source) return parseKey(readVariable(source.environment), `$${source.environment}`)
      return parseKey(await runCommand(source.command), `the output of ${source.command[0]}`)
    },
  }
}

/**
 * Makes a new key in a new file of mode 0600, and makes sure it is on the disk. Throws `CONFLICT` when there is a file
 * already: overwriting a key would lose everything that it seals.
 */
export async function initKeyFile(path: string): Promise<KeyEncryptionKey> {
  const key = randomBytes(KEY_BYTES)
  const file = await open(path, 'wx', 0o600).catch(error => {
    if (error.code === 'EEXIST') {
      throw new GatewayError('CONFLICT', `There is a file ${path} already; a vault key is never overwritten.`)
    }
    throw unavailable(`The vault key file ${path} cannot be made: ${messageOf(error)}`, error)
  })
  try {
    await file.writeFile(`${key.toString('base64')}\n`)
    await file.sync()
    await file.close()
    await using folder = await open(dirname(path))
    await folder.sync()
  } catch (error) {
    // A key that is perhaps not whole on the disk must never seal anything.
    await file.close().catch(() => undefined)
    await rm(path)
    throw unavailable(`The vault key file ${path} cannot be written: ${messageOf(error)}`, error)
  }
  return new KeyEncryptionKey(key)
}

async function readKeyFile(path: string): Promise<string> {
  try {
    // Non-blocking: a pipe of that name must not hold up the start. What is checked is what is read, hence the handle.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const { mode, uid, size } = await file.stat()
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw unavailable(`The vault key ${path} is not a file.`)
    if ((mode & 0o077) !== 0) {
      throw unavailable(
        `The vault key file ${path} may be used by others (mode ${(mode & 0o777).toString(8).padStart(4, '0')}). ` +
          `Make it yours alone: chmod 600 ${path}`,
      )
    }
    if (uid !== process.geteuid?.()) {
      throw unavailable(
        `The vault key file ${path} belongs to the user with id ${uid}, who could replace it. ` +
          `It must belong to the user that runs the gateway (id ${process.geteuid?.()}).`,
      )
    }
    if (size > MAX_BYTES) throw unavailable(`The vault key file ${path} is too long to be a key.`)
    return await file.readFile('latin1')
  } catch (error) {
    if (error instanceof GatewayError) throw error
    const absent = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw unavailable(
      absent
        ? `There is no vault key file ${path}. Make one with: sallyport init`
        : `The vault key file ${path} cannot be read: ${messageOf(error)}`,
      error,
    )
  }
}

function readVariable(name: string): string {
  const text = process.env[name]
  if (text === undefined || text === '') {
    throw unavailable(`The vault key is expected in the environment variable ${name}, which is not set.`)
  }
  return text
}

async function runCommand([program, ...args]: readonly string[]): Promise<string> {
  if (program === undefined) throw unavailable('The command that gives the vault key is empty.')
  try {
    const options = { timeout: COMMAND_TIMEOUT_MS, maxBuffer: MAX_BYTES, encoding: 'latin1', shell: false } as const
    return (await promisify(execFile)(program, args, options)).stdout
  } catch (error) {
    // The error of execFile carries what was printed, which may be the key: only the reason goes on.
    const { code, signal, killed } = error as { code?: string | number; signal?: string; killed?: boolean }
    const reason = killed ? `it took longer than ${COMMAND_TIMEOUT_MS / 1000} s or printed too much` : (code ?? signal)
    throw unavailable(`The command ${program} that gives the vault key failed: ${reason}`)
  }
}

function parseKey(text: string, origin: string): KeyEncryptionKey {
  const trimmed = text.trim()
  const key = Buffer.from(trimmed, 'base64')
  // Node skips what is not base64, so compare: a truncated or damaged key must not become another key.
  const whole = key.toString('base64').replace(/=+$/, '') === trimmed.replace(/=+$/, '')
  if (!whole || key.length !== KEY_BYTES) {
    throw unavailable(`The vault key in ${origin} is not ${KEY_BYTES} bytes in base64 (44 characters).`)
  }
  return new KeyEncryptionKey(key)
}

function unavailable(message: string, cause?: unknown): GatewayError {
  return new GatewayError('VAULT_KEY_UNAVAILABLE', message, { cause })
}
