/** A gateway in a process of its own, as `sallyport start` runs it, on the folder of a test gateway: for what ends a process. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, startChild } from './child.ts'
import type { TestGateway } from './start-gateway.ts'

export interface GatewayProcess {
  readonly child: Child
  readonly ssh: { host: string; port: number }
  /** Undefined unless it was asked for. */
  readonly postgres: { host: string; port: number } | undefined
}

export interface GatewayProcessOptions {
  /** The largest file that the process may write, in KiB: what a full disk looks like to it. */
  readonly fileSizeLimitKiB?: number
  readonly workers?: number
  readonly postgres?: true
  /** A copy of the audit log. */
  readonly auditFile?: string
  /** Where its own files go; by default the test gateway's folder, which must have been stopped. */
  readonly dataFolder?: string
  /** As whom its workers run, of a test that runs as root. */
  readonly workersUser?: string
  /** What of root's rights it has, as systemd names them, and no new ones: for a test that runs as root. */
  readonly capabilities?: readonly string[]
}

/** Shares store, cluster, vault key and recordings with `prepared`. The process is the caller's to end. */
export async function startGatewayProcess(
  prepared: TestGateway,
  options: GatewayProcessOptions = {},
): Promise<GatewayProcess> {
  const { folder, config } = prepared
  const off = { enabled: false }
  const file = join(folder, 'process.yaml')
  // JSON is YAML.
  writeFileSync(
    file,
    JSON.stringify({
      dataFolder: options.dataFolder ?? folder,
      workers: options.workers ?? 1,
      workersUser: options.workersUser,
      database: config.database,
      cluster: config.cluster,
      vault: { key: config.vault.key },
      recording: { folder: config.recording.folder },
      audit: { file: options.auditFile },
      ssh: { host: '127.0.0.1', port: 0 },
      postgres: options.postgres ? { host: '127.0.0.1', port: 0 } : off,
      api: off,
    }),
  )
  const program = new URL('../../bin/sallyport', import.meta.url).pathname
  // With the signal ignored, a write beyond the limit fails as on a full disk.
  const limit = options.fileSizeLimitKiB === undefined ? '' : `trap '' XFSZ; ulimit -f ${options.fileSizeLimitKiB}; `
  // The test runner's own hooks would handle signals in the child.
  const rights = options.capabilities?.map(name => `,+${name.replace('CAP_', '').toLowerCase()}`).join('')
  const run = rights === undefined ? '' : `setpriv --bounding-set=-all${rights} --inh-caps=-all --no-new-privs `
  const command = `unset NODE_OPTIONS; ${limit}exec ${run}"$0" "$@"`
  const child = startChild('bash', ['-c', command, program, 'start', '--config', file], {
    folder,
    logFile: join(folder, 'process.log'),
  })
  await child.printed(/the gateway is ready/)
  const addressOf = (name: string) => {
    const port = new RegExp(`"${name}":\\{"host":"127.0.0.1","port":(\\d+)\\}`).exec(child.output())?.[1]
    return port === undefined ? undefined : { host: '127.0.0.1', port: Number(port) }
  }
  return { child, ssh: addressOf('ssh')!, postgres: addressOf('postgres') }
}
