/** The logins that `sallyport login` keeps: a file of the user's alone, `sallyport/logins.json` under XDG_CONFIG_HOME or ~/.config. */

import { randomBytes } from 'node:crypto'
import { lstat, mkdir, open, readFile, rename, unlink } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { z } from 'zod'
import { messageOf } from '../../shared/errors.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { CliError } from '../exit.ts'

const loginSchema = z.object({
  user: z.string(),
  /** The token's name and text. */
  name: z.string(),
  token: z.string(),
  expiresAt: z.iso.datetime({ offset: true }),
  /** What to trust at this URL (PEM). */
  certificate: z.string(),
  /** What `--ssh` was given. */
  ssh: z.string(),
})
export type StoredLogin = z.output<typeof loginSchema>

const fileSchema = z.object({
  version: z.literal(1),
  /** The URL of the login that counts where none is named. */
  current: z.string().nullable(),
  /** By the URL's origin. */
  logins: z.record(z.string(), loginSchema),
})
export type Logins = z.output<typeof fileSchema>

const NONE: Logins = { version: 1, current: null, logins: {} }

/** Undefined where the environment names no home. A relative XDG_CONFIG_HOME does not count (XDG base directories). */
export function loginsFile(env: NodeJS.ProcessEnv): string | undefined {
  const { XDG_CONFIG_HOME: xdg = '', HOME: home } = env
  const folder = isAbsolute(xdg) ? xdg : home && join(home, '.config')
  return folder && join(folder, 'sallyport', 'logins.json')
}

/** Refuses a file that others may read or that is not the user's: a token in it may be anybody's by now. */
export async function readLogins(env: NodeJS.ProcessEnv): Promise<Logins> {
  const path = loginsFile(env)
  if (path === undefined) return NONE
  const found = await lstat(path).catch(error => {
    // ENOTDIR: a service's home may be /dev/null.
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code!)) return undefined
    throw new CliError(EXIT.usage, `${path} cannot be read: ${messageOf(error)}.`)
  })
  if (found === undefined) return NONE
  if (!found.isFile() || found.uid !== process.geteuid!())
    throw new CliError(EXIT.notPermitted, `${path} is not a file of yours.`, 'Move it away, and log in again.')
  if ((found.mode & 0o077) !== 0) {
    const hint = `Others may have seen the tokens in it: chmod 600 it, revoke them, and log in again.`
    throw new CliError(EXIT.notPermitted, `${path} may be read by others.`, hint)
  }
  try {
    return fileSchema.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch {
    throw new CliError(EXIT.usage, `${path} is not what \`sallyport login\` writes.`, 'Move it away, and log in again.')
  }
}

/** Mode 0600 from the first byte on; whole or not at all. */
export async function writeLogins(env: NodeJS.ProcessEnv, logins: Logins): Promise<string> {
  const path = loginsFile(env)
  if (path === undefined) throw new CliError(EXIT.usage, 'There is no place for a login: HOME is not set.')
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await using file = await open(draft, 'wx', 0o600)
    await file.writeFile(`${JSON.stringify(logins, null, 2)}\n`)
    await file.sync()
    await rename(draft, path)
  } catch (error) {
    await unlink(draft).catch(() => undefined)
    throw new CliError(EXIT.usage, `${path} cannot be written: ${messageOf(error)}.`)
  }
  return path
}
