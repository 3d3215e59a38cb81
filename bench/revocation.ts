/** How long it takes until 500 sessions on two gateways are closed at their clients, once the request that they rest on is revoked. */

import { execFile, spawn } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startPostgres } from '../test/support/start-postgres.ts'
import { startRedis } from '../test/support/start-redis.ts'
import { startSshd } from '../test/support/start-sshd.ts'
import type { GatewaySetup } from './gateway-process.ts'
import type { BenchOptions } from './options.ts'
import { type MeasuredGateway, startMeasuredGateway } from './start-gateway.ts'

const IDLE_CLIENT = fileURLToPath(new URL('./idle-clients.ts', import.meta.url))
const TARGET = 'host'

/** In seconds: from the revocation at one gateway to the last client's closed socket, of both. */
export async function revocationSeconds({
  quick,
  folder,
  stack,
  say,
}: BenchOptions): Promise<[number, seconds: number]> {
  const count = quick ? 100 : 500
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis()])
  const sshd = await startSshd({
    // Without a shell: what an account's startup files do would go on while it is measured.
    config: ['MaxStartups 2000', 'MaxSessions 1000', 'LoginGraceTime 0', 'ForceCommand internal-sftp'],
  })
  for (const server of [postgres, redis, sshd]) stack.defer(() => server.stop())
  const identityFile = join(folder, 'revocation.key')
  await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', identityFile])
  const address = `${sshd.account}@${TARGET}`
  const { host, port, hostKeys } = sshd
  const database = await postgres.createDatabase()
  const gateways: MeasuredGateway[] = []
  for (const name of ['one', 'other']) {
    const own = join(folder, `gateway-${name}`)
    await mkdir(own, { mode: 0o700 })
    const setup: GatewaySetup = {
      folder: own,
      publicKey: (await readFile(`${identityFile}.pub`, 'utf8')).trim(),
      password: 'not used by this bench',
      targets: [{ name: TARGET, protocol: 'ssh', host, port, hostKeys, accounts: [{ name: sshd.account }] }],
      onRequest: [TARGET],
      credentials: { [address]: { privateKey: sshd.privateKey } },
      shared: { database, redis: redis.url, keyFile: join(folder, 'shared.key'), joins: name === 'other' },
    }
    const gateway = await startMeasuredGateway(setup)
    stack.defer(() => gateway.stop())
    gateways.push(gateway)
  }
  const [first] = gateways
  const id = (await first!.tell(JSON.stringify({ ask: address }), 'approved')).split(' ')[1]!
  say(`${count} sessions on two gateways`)
  const login = `bench+${sshd.account}+${TARGET}`
  const clients: ReturnType<typeof openIdle>[] = []
  for (const { ports } of gateways) {
    const some = openIdle([String(ports.ssh), login, identityFile, String(count / 2)], stack)
    await some.said('ready')
    clients.push(some)
  }
  say('the request is revoked')
  const closed = Promise.all(clients.map(one => one.said('closed')))
  const began = performance.now()
  const revoked = first!.tell(JSON.stringify({ revoke: id }), 'revoked')
  await closed
  const seconds = (performance.now() - began) / 1000
  await revoked
  return [count, seconds]
}

function openIdle(argv: readonly string[], stack: AsyncDisposableStack) {
  const child = spawn(process.execPath, [IDLE_CLIENT, ...argv], { stdio: ['pipe', 'pipe', 'inherit'] })
  stack.defer(() => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })
  return {
    /** Rejects where it ends before. */
    said: (word: string) =>
      new Promise<void>((resolve, reject) => {
        lines.on('line', line => line === word && resolve())
        child.once('exit', () => reject(new Error(`the clients have ended before they said ${word}`)))
      }),
  }
}
