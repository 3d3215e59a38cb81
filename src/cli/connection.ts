/** Which gateway a command talks to: the options, then the environment, then the configuration's socket. */

import { readFile } from 'node:fs/promises'
import { messageOf } from '../shared/errors.ts'
import { EXIT } from '../shared/exit-codes.ts'
import { Secret } from '../shared/secret.ts'
import type { Connection } from './client.ts'
import { CliError } from './exit.ts'

export interface ConnectionOptions {
  config?: string
  socket?: string
  url?: string
  tokenFile?: string
  ca?: string
}

/** `configSocket` reads the configuration: asked only when nothing else says where the gateway is. */
export async function chooseConnection(
  options: ConnectionOptions,
  env: NodeJS.ProcessEnv,
  configSocket: () => Promise<string>,
): Promise<Connection> {
  // What was typed counts before what the environment says.
  if (options.socket !== undefined) return { socket: options.socket }
  const url = options.url ?? (options.config === undefined ? env.SALLYPORT_URL : undefined)
  if (url !== undefined)
    return { url: readUrl(url), token: await readToken(options, env), ca: await readCa(options, env) }
  return { socket: (options.config === undefined ? env.SALLYPORT_SOCKET : undefined) ?? (await configSocket()) }
}

function readUrl(text: string): URL {
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
    throw new CliError(EXIT.usage, '--url needs a token.', 'Give it with --token-file FILE or in SALLYPORT_TOKEN.')
  return new Secret(text.trim())
}

async function readCa({ ca }: ConnectionOptions, env: NodeJS.ProcessEnv): Promise<string | undefined> {
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
