/** Runs Debian's psql as a person would, with the password in the environment. */

import { execFile } from 'node:child_process'

export interface PsqlResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** `connection` is a key/value string or a URI; `commands` become `-c` each. Never rejects for psql's own exit code. */
export function psql(
  connection: string,
  password: string,
  commands: readonly string[],
  options: { input?: string; environment?: Record<string, string> } = {},
): Promise<PsqlResult> {
  const args = ['-X', '-A', '-t', '-q', connection, ...commands.flatMap(command => ['-c', command])]
  return new Promise(resolve => {
    const env = { ...process.env, PGPASSWORD: password, PGCONNECT_TIMEOUT: '600', ...options.environment }
    const child = execFile('psql', args, { env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout: stdout.trimEnd(), stderr }),
    )
    child.stdin!.on('error', () => undefined)
    child.stdin!.end(options.input ?? '')
  })
}
