/** The command line in this process: what a person types goes in, what they see comes out. */

import { EventEmitter } from 'node:events'
import { PassThrough, Writable } from 'node:stream'
import { runCli } from '../../src/cli/program.ts'
import type { TestGateway } from './start-gateway.ts'

export interface CliResult {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
  /** What `--json` printed. */
  json<T>(): T
}

export interface CliOptions {
  readonly stdin?: string
  /** As wide as this terminal; not given: no terminal. */
  readonly columns?: number
  readonly env?: NodeJS.ProcessEnv
  /** Told all of standard output so far, each time that there is more. */
  readonly printed?: (text: string) => void
}

export async function cli(
  argv: readonly string[],
  { stdin = '', columns, env = {}, printed }: CliOptions = {},
): Promise<CliResult> {
  const stdout = collect(columns, printed)
  const stderr = collect()
  const input = new PassThrough()
  input.end(stdin)
  const streams = { stdin: input, stdout: stdout.stream, stderr: stderr.stream, env, signals: new EventEmitter() }
  const exit = await runCli(argv, streams)
  return { exit, stdout: stdout.text(), stderr: stderr.text(), json: () => JSON.parse(stdout.text()) }
}

/** As the owner of the gateway, over its Unix socket. */
export function asOwner(gateway: TestGateway, argv: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return cli(argv, { ...options, env: { SALLYPORT_SOCKET: gateway.api.socket!, ...options.env } })
}

/** With a token, over TLS; `ca` is a file with the gateway's certificate. */
export function withToken(
  gateway: TestGateway,
  { token, ca }: { token: string; ca: string },
  argv: readonly string[],
  options: CliOptions = {},
): Promise<CliResult> {
  const env = { SALLYPORT_URL: gateway.api.url!, SALLYPORT_TOKEN: token, SALLYPORT_CA: ca, ...options.env }
  return cli(argv, { ...options, env })
}

function collect(columns?: number, printed?: (text: string) => void) {
  const chunks: Buffer[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(Buffer.from(chunk))
      printed?.(Buffer.concat(chunks).toString('utf8'))
      done()
    },
  })
  if (columns !== undefined) Object.assign(stream, { isTTY: true, columns })
  return { stream, text: () => Buffer.concat(chunks).toString('utf8') }
}
