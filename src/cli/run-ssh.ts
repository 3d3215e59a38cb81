/** Runs the system's `ssh`, which asks its own questions on the terminal. */

import { spawn } from 'node:child_process'
import { messageOf } from '../shared/errors.ts'
import { EXIT, type ExitCode } from '../shared/exit-codes.ts'
import { CliError } from './exit.ts'

export interface SshDestination {
  /** `alice@gateway`, as ssh takes it. */
  readonly destination: string
  readonly port: string | undefined
  /** Of ssh, in front of the destination. */
  readonly options: readonly string[]
}

/** What the answer of a command may be at most. */
const MOST_BYTES = 1024 * 1024
const KNOWN: readonly number[] = Object.values(EXIT)

/** Returns what the command printed. Throws where ssh or the command failed; both have said why on stderr. */
export async function runSsh(to: SshDestination, command: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  const port = to.port === undefined ? [] : ['-p', to.port]
  // `--`: what follows is never an option, whatever it begins with.
  return run([...to.options, ...port, '--', to.destination, ...command], env)
}

/** The host that ssh connects to, with the aliases of its configuration resolved. */
export async function hostOf(to: SshDestination, env: NodeJS.ProcessEnv): Promise<string> {
  const settings = await run(['-G', ...to.options, '--', to.destination], env)
  const host = /^hostname (\S+)$/m.exec(settings)?.[1]
  if (host === undefined) throw new CliError(EXIT.usage, `ssh does not say which host ${to.destination} is.`)
  return host
}

function run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn('ssh', args, { env, stdio: ['inherit', 'pipe', 'inherit'] })
  const chunks: Buffer[] = []
  let bytes = 0
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= MOST_BYTES) chunks.push(chunk)
    else child.kill()
  })
  return new Promise((resolve, reject) => {
    child.once('error', error => reject(new CliError(EXIT.usage, `ssh cannot be run: ${messageOf(error)}.`)))
    child.once('close', status => {
      if (status === 0) resolve(Buffer.concat(chunks).toString('utf8'))
      else if (status !== null && KNOWN.includes(status)) reject(new CliError(status as ExitCode, ''))
      else
        reject(new CliError(EXIT.unreachable, 'ssh did not get through to the gateway.', 'What it says stands above.'))
    })
  })
}
