/** A throw-away Redis server on a free loopback port, for tests: nothing persists, and it can be killed and restarted. */

import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeCertificates } from './certificates.ts'
import { type Child, onFreePort, removeFolder, startChild } from './child.ts'

export interface RedisOptions {
  readonly password?: string
  /** Listens with TLS only; `caFile` verifies the certificate. */
  readonly tls?: boolean
}

export interface TestRedis {
  readonly port: number
  readonly url: string
  readonly caFile?: string
  /** SIGKILL: gone without a word. */
  kill(): Promise<void>
  /** Starts it again, empty, on the same port after `kill()`. */
  restart(): Promise<void>
  /** Stops it in its tracks: connections stay open, nothing answers, until `thaw()`. */
  freeze(): void
  thaw(): void
  stop(): Promise<void>
}

export async function startRedis(options: RedisOptions = {}): Promise<TestRedis> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-redis-'))
  try {
    const certificates = options.tls ? await makeCertificates(join(folder, 'tls')) : undefined
    const start = async (port: number) => {
      const listen = certificates
        ? ['--port', '0', '--tls-port', String(port), '--tls-cert-file', certificates.certificateFile]
            .concat(['--tls-key-file', certificates.keyFile, '--tls-ca-cert-file', certificates.caFile])
            .concat(['--tls-auth-clients', 'no'])
        : ['--port', String(port)]
      const password = options.password === undefined ? [] : ['--requirepass', options.password]
      const args = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder, ...listen, ...password]
      const child = startChild('redis-server', args, { logFile: join(folder, 'server.log'), folder })
      await child.printed(/Ready to accept connections/)
      return { child, port }
    }
    let { child, port }: { child: Child; port: number } = await onFreePort(start)
    const login = options.password === undefined ? '' : `:${encodeURIComponent(options.password)}@`
    return {
      port,
      // By address: `localhost` may be tried as ::1 too, where the port can be somebody else's.
      url: `${certificates ? 'rediss' : 'redis'}://${login}127.0.0.1:${port}`,
      ...(certificates === undefined ? {} : { caFile: certificates.caFile }),
      kill: () => child.end('SIGKILL'),
      async restart() {
        child = (await start(port)).child
      },
      freeze: () => void process.kill(child.pid, 'SIGSTOP'),
      thaw: () => void process.kill(child.pid, 'SIGCONT'),
      async stop() {
        await child.end('SIGKILL')
        removeFolder(folder)
      },
    }
  } catch (error) {
    removeFolder(folder)
    throw error
  }
}
