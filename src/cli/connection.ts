/** Which gateway a command talks to: the options, then the environment, then the configuration's socket. */

import { readFile } from 'node:fs/promises'
import { messageOf } from '../shared/errors.ts'
import { EXIT } from '../shared/exit-codes.ts'
import { Secret } from '../shared/secret.ts'
import type { Connection } from './client.ts'
import { CliError } from './exit.ts'
import { connectionOf } from './login-connection.ts'

export interface ConnectionOptions {
  config?: string
  socket?: string
  url?: string
  tokenFile?: string
  ca?: string
}

/** `configSocket` reads the configuration: asked only when nothing else says where the gateway is, and nobody is logged in. */
export async function chooseConnection(
  options: ConnectionOptions,
  env: NodeJS.ProcessEnv,
  configSocket: () => Promise<string>,
  now = Date.now(),
): Promise<Connection> {
  // What was typed counts before what the environment says.
  if (options.socket !== undefined) return { socket: options.socket }
  const url = options.url ?? (options.config === undefined ? env.SALLYPORT_URL : undefined)
  if (url !== undefined) {
    const at = readUrl(url)
    const hasToken = options.tokenFile !== undefined || env.SALLYPORT_TOKEN !== undefined
    const login = hasToken ? undefined : await loginAt(at.origin, env, now)
    if (login !== undefined) return { ...login, ...(await overridden(options, env)) }
    return { url: at, token: await readToken(options, env), ca: await readCa(options, env) }
  }
  if (options.config !== undefined) return { socket: await configSocket() }
  if (env.SALLYPORT_SOCKET !== undefined) return { socket: env.SALLYPORT_SOCKET }
  const { current } = env.SALLYPORT_CONFIG === undefined ? await readLogins(env) : { current: null }
  const login = current === null ? undefined : await loginAt(current, env, now)
  return login ?? { socket: await configSocket() }
}

async function loginAt(origin: string, env: NodeJS.ProcessEnv, now: number) {
  const login = (await readLogins(env)).logins[origin]
  if (login === undefined) return undefined
  if (Date.parse(login.expiresAt) > now) return connectionOf(origin, login)
  const hint = `sallyport login --ssh ${login.ssh}`
  throw new CliError(EXIT.notPermitted, `The login of ${login.user} at ${origin} has ended.`, hint)
}

async function overridden(options: ConnectionOptions, env: NodeJS.ProcessEnv): Promise<{ ca?: string }> {
  const ca = await readCa(options, env)
  return ca === undefined ? {} : { ca }
}

/** Not every command asks, and what checks the file is slow to load. */
async function readLogins(env: NodeJS.ProcessEnv) {
  return (await import('./files/logins.ts')).readLogins(env)
}

/** Throws where it is not an https address. */
export function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'https:')
    throw new CliError(
      EXIT.usage,
      `--url: "${text}" is not an https address, for example https://gateway.example:8443.`,
    )
  return url
}

async function readToken({ tokenFile }: ConnectionOptions, env: NodeJS.ProcessEnv): Promise<Secret> {
  const text = tokenFile === undefined ? env.SALLYPORT_TOKEN : await readText(tokenFile, '--token-file')
  if (text === undefined || text.trim() === '')
    throw new CliError(
      EXIT.usage,
      '--url needs a token.',
      'Give it with --token-file FILE or in SALLYPORT_TOKEN, or log in: sallyport login --ssh USER@GATEWAY.',
    )
  return new Secret(text.trim())
}

/** What --ca names, or the environment. */
export async function readCa({ ca }: ConnectionOptions, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const path = ca ?? env.SALLYPORT_CA
  return path === undefined ? undefined : readText(path, '--ca')
}

async function readText(path: string, option: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new CliError(EXIT.usage, `${option}: ${path} cannot be read: ${messageOf(error)}.`)
  }
}
