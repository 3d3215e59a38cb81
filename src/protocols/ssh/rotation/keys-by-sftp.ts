/** Reads and writes the authorized_keys of the account that is logged in by SFTP alone, where it has no shell. */

import { randomBytes } from 'node:crypto'
import { messageOf } from '../../../shared/errors.ts'
import { fingerprint } from '../../../shared/ssh-encoding/fingerprint.ts'
import { WireError } from '../../../shared/ssh-encoding/wire.ts'
import { withoutSecrets } from '../../../shared/text/without-secrets.ts'
import type { OwnChannels } from '../target-side/own-channels.ts'
import {
  IS_LINK,
  type KeysFile,
  type KeysFiles,
  MOST_FILE_BYTES,
  TOO_LARGE,
  USUAL,
  type Written,
} from './keys-files.ts'
import { SftpClient, SftpLost, SftpRefused } from './sftp-client.ts'

const KIND = 0o170000
const REGULAR = 0o100000
const LINK = 0o120000

export class KeysBySftp implements KeysFiles {
  readonly #sftp: SftpClient
  /** From where the server begins: the home. */
  readonly paths = USUAL
  readonly accepted = undefined

  private constructor(sftp: SftpClient) {
    this.#sftp = sftp
  }

  /** Resolves to words where there is no SFTP with what it takes. Throws as OwnChannels.open. */
  static async open(host: OwnChannels, signal: AbortSignal): Promise<KeysBySftp | { readonly words: string }> {
    try {
      const sftp = await SftpClient.start(host, signal)
      if (sftp.extensions.has('posix-rename@openssh.com')) return new KeysBySftp(sftp)
      sftp.close()
      return { words: 'the SFTP of the target cannot put a file in the place of another (posix-rename@openssh.com)' }
    } catch (error) {
      return { words: wordsOf(error) }
    }
  }

  async read(path: string): Promise<KeysFile> {
    try {
      const seen = await this.#sftp.linkAttributes(path)
      const { mode, size = 0n } = seen
      if ((mode & KIND) === LINK) return { kind: 'unfit', words: `${path} ${IS_LINK}` }
      if ((mode & KIND) !== REGULAR) return { kind: 'unfit', words: `${path} is no file` }
      if (size > MOST_FILE_BYTES) return { kind: 'unfit', words: `${path} ${TOO_LARGE}` }
      const bytes = await this.#sftp.read(path, MOST_FILE_BYTES, seen)
      if (bytes.length > MOST_FILE_BYTES) return { kind: 'unfit', words: `${path} ${TOO_LARGE}` }
      return { kind: 'file', bytes, seen: fingerprint(bytes) }
    } catch (error) {
      if (error instanceof SftpRefused && error.notThere) return { kind: 'none' }
      return { kind: 'unfit', words: `${path} cannot be read: ${wordsOf(error)}` }
    }
  }

  async write(path: string, seen: string | undefined, bytes: Buffer): Promise<Written> {
    const folder = path.slice(0, path.lastIndexOf('/'))
    const beside = `${folder}/.authorized_keys.sallyport.${randomBytes(8).toString('hex')}`
    try {
      const there = seen === undefined ? undefined : await this.#sftp.linkAttributes(path)
      if (there === undefined) await this.#makeFolder(folder)
      await this.#sftp.create(beside, bytes, there)
      const now = await this.read(path)
      if ((now.kind === 'file' ? now.seen : undefined) !== seen || now.kind === 'unfit')
        throw new SftpRefused(0, 'it changed meanwhile: try again')
    } catch (error) {
      await this.#sftp.remove(beside).catch(() => undefined)
      return { kind: 'not-written', words: `${path} cannot be changed: ${wordsOf(error)}` }
    }
    try {
      await this.#sftp.replace(beside, path)
      const now = await this.read(path)
      if (now.kind === 'file' && now.bytes.equals(bytes)) return { kind: 'written' }
      const unchanged = now.kind === 'none' ? seen === undefined : now.kind === 'file' && now.seen === seen
      await this.#sftp.remove(beside).catch(() => undefined)
      const words = `${path}: the target says that it was changed, and it reads otherwise`
      return { kind: unchanged ? 'not-written' : 'uncertain', words }
    } catch (error) {
      const words = `${path} cannot be changed: ${wordsOf(error)}`
      if (error instanceof SftpLost) return { kind: 'uncertain', words }
      await this.#sftp.remove(beside).catch(() => undefined)
      return { kind: 'not-written', words }
    }
  }

  async #makeFolder(folder: string): Promise<void> {
    try {
      await this.#sftp.linkAttributes(folder)
    } catch (error) {
      if (!(error instanceof SftpRefused) || !error.notThere) throw error
      await this.#sftp.makeFolder(folder)
    }
  }
}

/** Throws what is no answer of the target. */
function wordsOf(error: unknown): string {
  if (error instanceof SftpRefused || error instanceof SftpLost || error instanceof WireError)
    return withoutSecrets(messageOf(error), [])
  throw error
}
