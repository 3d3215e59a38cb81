/**
 * A process that rotates passwords of Linux accounts, key pairs, and passwords of PostgreSQL roles, and is killed with SIGKILL again and again
 * at a random moment: no password is lost. After each kill the credential in force logs in, whatever was going on. Several accounts rotate
 * at a time, so that each kill meets several rotations; so many in all:
 * `SALLYPORT_KILLS=3000 TAP_TIMEOUT=0 node test/integration/rotation/killed-while-it-rotates.test.ts` for an hour.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import { parseAccountAddress } from '../../../src/shared/names.ts'
import { publicBlob } from '../../../src/shared/private-key/key-parts.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { targetSchema } from '../../../src/targets/target.ts'
import type { Left } from '../../support/rotating-process.ts'
import { createRotationWorld } from '../../support/rotation-parts.ts'
import { startLinuxHost, whyNoLinuxHost } from '../../support/start-linux-host.ts'
import { startPostgres } from '../../support/start-postgres.ts'

/** Rotations that are killed. */
const KILLS = Number(process.env.SALLYPORT_KILLS ?? 60)
/** Of each kind. */
const ACCOUNTS = 4
/** Longer than a rotation takes here, so that every moment of one is met. */
const LONGEST_MS = 1500

const all = <T>(make: (number: number) => T): T[] => Array.from({ length: ACCOUNTS }, (_, index) => make(index + 1))
const accounts = all(n => [`app${n}@orders`, `deploy${n}@web-01`, `keyed${n}@web-01`]).flat()

const { privateKey } = generateKeyPairSync('ed25519')
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
const publicLine = `ssh-ed25519 ${publicBlob(privateKey).toString('base64')}`

/** The commands that let the account in with the first key. */
function authorize(account: string): string {
  const folder = `$(getent passwd ${account} | cut -d: -f6)/.ssh`
  return [
    `mkdir -m 700 ${folder}`,
    `echo '${publicLine} first' >${folder}/authorized_keys`,
    `chmod 600 ${folder}/authorized_keys`,
    `chown -R ${account}: ${folder}`,
  ].join('\n')
}

/** Resolves when the process has gone on with what was left, and rotates. */
async function start(store: string): Promise<Left & { child: ChildProcess; said: string[] }> {
  const program = join(import.meta.dirname, '../../support/rotating-process.ts')
  // The test runner's own hooks are not for it.
  const env = { ...process.env, NODE_OPTIONS: '' }
  const child = spawn(process.execPath, [program, store, ...accounts], { stdio: ['ignore', 'pipe', 'inherit'], env })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout! })
  const said: string[] = []
  const [first] = (await once(lines, 'line')) as [string]
  lines.on('line', line => said.push(line))
  return { child, said, ...(JSON.parse(first) as Left) }
}

const skip = whyNoLinuxHost() ?? false

t.test(`after ${KILLS} rotations that were killed all accounts log in, and none is unknown`, { skip }, async t => {
  const server = await startPostgres({ sql: all(n => `create role app${n} login password 'the first';`).join('') })
  t.teardown(() => server.stop())
  const host = await startLinuxHost({
    accounts: [
      ...all(n => ({ name: `deploy${n}`, password: 'the first' })),
      ...all(n => ({ name: `keyed${n}`, password: 'unused' })),
    ],
    setup: all(n => authorize(`keyed${n}`)).join('\n'),
  })
  t.teardown(() => host.stop())

  const store = `sqlite:${join(t.testdir(), 'store.db')}`
  const database = await openDatabase(store)
  const { targets, vault, audit } = await createRotationWorld({ database, connectors: [] })
  await targets.put(host.target)
  await targets.put(
    targetSchema.parse({
      ...{ name: 'orders', protocol: 'postgres', host: server.host, port: server.port, tls: 'disable' },
      ...{ database: 'postgres', allowLocal: true, accounts: all(n => ({ name: `app${n}` })) },
    }),
  )
  for (const name of accounts) {
    const password = { kind: 'password', password: new Secret('the first') } as const
    const key = { kind: 'private-key', privateKey: new Secret(pem) } as const
    await vault.setCredential(parseAccountAddress(name)!, name.startsWith('keyed') ? key : password, 'owner')
  }
  await audit.close()
  await database.destroy()

  let killed = 0
  for (let processes = 0; ; processes++) {
    const { child, open, standings, said } = await start(store)
    killed += open
    const bad = standings.filter(({ result, state }) => result !== 'works' || state === 'unknown')
    t.same(bad, [], `after ${killed} kills of rotations`)
    const over = killed >= KILLS || bad.length > 0
    if (!over) await sleep(Math.random() * LONGEST_MS)
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
    t.same(said, [], 'what was over was rotated')
    if (!over) continue
    const versions = standings.reduce((sum, { version }) => sum + version, 0)
    t.comment(`${processes} kills of the process, of ${killed} rotations: 0 lost, 0 unknown; ${versions} versions`)
    return
  }
})
