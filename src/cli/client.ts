/** The CLI's side of the API: requests over the owner's Unix socket, or over TLS with a token. */

import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { ApiError } from '../api/errors.ts'
import { messageOf } from '../shared/errors.ts'
import { EXIT, type ExitCode } from '../shared/exit-codes.ts'
import type { Secret } from '../shared/secret.ts'
import { CliError } from './exit.ts'

export type Connection =
  | { readonly socket: string }
  | { readonly url: URL; readonly token: Secret; readonly ca: string | string[] | undefined }

export type Query = Record<string, string | number | undefined>

/** Of a path of the API, `/v1/sessions/…`: what stands in its first place. */
export type OwnNoun = 'sessions' | 'targets' | 'explain' | 'tokens' | 'check-outs'

export interface Client {
  get<T>(path: string, query?: Query): Promise<T>
  send<T>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<T>
  /** The body as it comes. Rejects when the gateway cuts it short. */
  stream(path: string, query?: Query): Promise<IncomingMessage>
  /** Whatever the status is: for `health`, whose 503 has a body that says more. */
  raw(path: string): Promise<{ status: number; body: string }>
  /** Of what only one's own is seen; not given: of nothing. */
  readonly own?: ReadonlySet<OwnNoun>
}

const CONNECT_TIMEOUT_MS = 10_000
/** Verifying a long audit log takes its time. */
const ANSWER_TIMEOUT_MS = 600_000

export function createClient(connection: Connection): Client {
  async function open(method: string, path: string, body?: unknown): Promise<IncomingMessage> {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const request = begin(method, path, text === undefined ? {} : { 'content-type': 'application/json' })
    request.setTimeout(ANSWER_TIMEOUT_MS, () => request.destroy(new Error('no answer in time')))
    const connecting = setTimeout(() => request.destroy(new Error('no connection in time')), CONNECT_TIMEOUT_MS)
    request.on('socket', socket => {
      // Kept from the request before, it is connected already.
      if (socket.connecting) socket.once('connect', () => clearTimeout(connecting))
      else clearTimeout(connecting)
    })
    request.on('error', reject).on('close', () => clearTimeout(connecting))
    request.on('response', response => {
      // Following a quiet session may say nothing for hours.
      request.setTimeout(0)
      resolve(response)
    })
    request.end(text)
    return promise.catch(error => {
      throw unreachable(connection, error)
    })
  }

  function begin(method: string, path: string, headers: Record<string, string>) {
    if ('socket' in connection) return httpRequest({ socketPath: connection.socket, method, path, headers })
    // Node's own check of the certificate and of its name stays on: there is no switch to turn it off.
    const options: RequestOptions = {
      method,
      headers: { ...headers, authorization: `Bearer ${connection.token.reveal()}` },
    }
    // The certificate that is named may be the gateway's own one, whoever issued it.
    const trust = { ca: connection.ca, allowPartialTrustChain: connection.ca !== undefined }
    return httpsRequest(new URL(path, connection.url), { ...options, ...trust })
  }

  async function json<T>(response: IncomingMessage): Promise<T> {
    const text = await textOf(response)
    if (isOk(response)) return (text === '' ? undefined : JSON.parse(text)) as T
    throw failureOf(response.statusCode!, text)
  }

  return {
    async get(path, query) {
      return json(await open('GET', withQuery(path, query)))
    },
    async send(method, path, body) {
      return json(await open(method, path, body))
    },
    async stream(path, query) {
      const response = await open('GET', withQuery(path, query))
      if (isOk(response)) return response
      throw failureOf(response.statusCode!, await textOf(response))
    },
    async raw(path) {
      const response = await open('GET', path)
      return { status: response.statusCode!, body: await textOf(response) }
    },
  }
}

function isOk({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode < 300
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

function withQuery(path: string, query: Query = {}): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value))
  return parameters.size === 0 ? path : `${path}?${parameters}`
}

function failureOf(status: number, text: string): CliError {
  let error: Partial<ApiError['error']> = {}
  try {
    error = (JSON.parse(text) as ApiError).error
  } catch {
    // Not the API's own words: something between answered, or it is no gateway.
  }
  const message = error.message ?? `The gateway answered with HTTP status ${status} and nothing that is understood.`
  return new CliError(exitOf(status), message, error.hint)
}

function exitOf(status: number): ExitCode {
  if (status === 401 || status === 403 || status === 429) return EXIT.notPermitted
  if (status === 400 || status === 413 || status === 415) return EXIT.usage
  // 502: a target is at fault, not the gateway.
  return status < 500 || status === 502 ? EXIT.no : EXIT.broken
}

function unreachable(connection: Connection, error: unknown): CliError {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if ('socket' in connection) {
    if (code === 'EACCES')
      return new CliError(
        EXIT.notPermitted,
        `The socket ${connection.socket} may not be opened by this user.`,
        'It belongs to the user that runs the gateway; or use --url with a token.',
      )
    const why =
      code === 'ENOENT' ? 'it is not there' : code === 'ECONNREFUSED' ? 'nobody listens on it' : messageOf(error)
    return new CliError(
      EXIT.unreachable,
      `No gateway answers on the socket ${connection.socket}: ${why}.`,
      'Start one with `sallyport start`, or say where it is with --config, --socket or --url.',
    )
  }
  const distrust = distrusted(code)
  return new CliError(
    EXIT.unreachable,
    `The gateway at ${connection.url.origin} cannot be reached: ${distrust ?? messageOf(error)}.`,
    distrust === undefined ? 'Is it running, and are api.host and api.port open from here?' : hintFor(code),
  )
}

function hintFor(code: string): string {
  return code === 'ERR_TLS_CERT_ALTNAME_INVALID'
    ? 'Use one of its names, or have its operator add this one to certificateNames.'
    : 'Name the certificate that it shows, or its CA, with --ca FILE (`sallyport key certificate` on the gateway prints it).'
}

/** OpenSSL's codes in words; undefined for what is not about the certificate. */
function distrusted(code: string): string | undefined {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'its certificate is for another name'
  if (code === 'CERT_HAS_EXPIRED') return 'its certificate has expired'
  return /CERT|UNABLE_TO/.test(code) ? 'its certificate is not trusted here' : undefined
}
