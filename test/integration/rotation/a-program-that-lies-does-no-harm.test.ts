/**
 * Programs that change passwords at a real PostgreSQL, and do not say what they did: which credential is in force is found out by logins, and
 * the vault holds it.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ProgramSettings } from '../../../src/config/config.ts'
import { createProgramConnectors, lookAtPrograms } from '../../../src/gateway/program-connectors.ts'
import { postgresRole } from '../../../src/protocols/postgres/rotation/connector.ts'
import { createLog } from '../../../src/shared/log.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { targetSchema } from '../../../src/targets/target.ts'
import { rotationWorldOf } from '../../support/rotation-parts.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const server = await startPostgres()
t.teardown(() => server.stop())

/** Changes the password as the superuser would, by `psql` that reads it on its stdin; what is generated has no quotes. */
const CHANGES = `request=$(cat)
printf '%s' "$request" | jq -r '"alter role \\(.login) password \\(.candidate.password | @sh)"' |
  psql -q -X -v ON_ERROR_STOP=1 >/dev/null || exit 3`
const says = (result: string, code: number) => `echo '{"result":"${result}","words":"as it says"}'; exit ${code}`

const SERVED = new Map([['postgres', { connectors: [postgresRole] }]])
const SETTINGS: ProgramSettings = {
  ...{ path: '/bin/true', arguments: [], environment: {}, timeout: 1000, kinds: ['password'], dependentsOf: [] },
  ...{ verify: 'login', finish: false, connectorOf: ['*@orders'] },
}
let accounts = 0

/** A rotation by this program, and which versions log in after it. */
async function rotateBy(t: Test, body: string, timeout = 20_000, verify: ProgramSettings['verify'] = 'login') {
  const account = `app${++accounts}`
  await server.psql(`create role ${account} login password 'first'`)
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-program-'))
  const path = join(folder, 'program')
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 })
  const log = createLog('silent')
  const PG = { PGHOST: server.host, PGPORT: String(server.port), PGUSER: server.superuser, PGDATABASE: 'postgres' }
  const environment = { ...PG, PGPASSWORD: server.superPassword, COUNT: join(folder, 'count') }
  const program: ProgramSettings = { ...SETTINGS, path, environment, timeout, verify }
  const [connector] = createProgramConnectors({ 'by-psql': program }, SERVED, log)
  const world = await rotationWorldOf(t, { connectors: [connector!] })
  t.teardown(() => rmSync(folder, { recursive: true }))
  const { host, port } = server
  await world.targets.put(
    targetSchema.parse({
      ...{ name: 'orders', protocol: 'postgres', host, port, tls: 'disable', allowLocal: true },
      accounts: [{ name: account }],
    }),
  )
  const address = { account, target: 'orders' }
  await world.vault.setCredential(address, { kind: 'password', password: new Secret('first') }, 'owner')
  const outcome = await world.rotations.rotate(address, { trigger: 'by-hand', by: 'owner' })
  const inForce = (await world.vault.standing(address))!.version
  const verified = await world.rotations.verify(address, 'owner')
  t.equal(verified.result, 'works', 'what the vault lends logs in')
  const asked = () => readFileSync(environment.COUNT, 'utf8').length
  return { outcome, inForce, asked, world, address }
}

t.test('one that does what it says', async t => {
  const { outcome, inForce } = await rotateBy(t, `${CHANGES}\n${says('changed', 0)}`)
  t.match(outcome, { result: 'rotated', version: 2, words: '' })
  t.equal(inForce, 2)
})

t.test('one that says that it changed it, and did not', async t => {
  const { outcome, inForce } = await rotateBy(t, `cat >/dev/null\n${says('changed', 0)}`)
  t.match(outcome, { result: 'backed-out' })
  t.equal(inForce, 1)
})

t.test('one that changed it, and says that it did not, or dies, hangs, or floods', async t => {
  for (const end of [
    says('not-changed', 1),
    says('candidate-refused', 1),
    'kill -9 $$',
    'sleep 60',
    'yes',
    says('changed', 1),
  ]) {
    const { outcome } = await rotateBy(t, `${CHANGES}\n${end}`, end.startsWith('sleep') ? 3000 : undefined)
    t.match(outcome, { result: 'rotated', version: 2 }, end)
  }
})

t.test('one that did nothing, and dies, hangs or floods', async t => {
  for (const end of ['kill -9 $$', 'sleep 60', 'yes', says('not-changed', 1)]) {
    const { outcome, inForce } = await rotateBy(t, end, end.startsWith('sleep') ? 300 : undefined)
    t.match(outcome, { result: 'backed-out' }, end)
    t.equal(inForce, 1)
  }
})

t.test('one that takes none is asked five times, and no more', async t => {
  const { outcome, inForce, asked } = await rotateBy(
    t,
    `cat >/dev/null; echo >>"$COUNT"; ${says('candidate-refused', 1)}`,
  )
  t.match(outcome, { result: 'refused', words: /as it says/ })
  t.equal(inForce, 1)
  t.equal(asked(), 5)
})

t.test('one that says what it was told before says it to nobody', async t => {
  // Each password that it was told, but for those of this moment, as it is and backwards.
  const says = `request=$(cat); told="$COUNT.told"; touch "$told"
now=$(printf '%s' "$request" | jq -r '[.credential, .candidate, .current] | map(.password? // empty) | .[]')
words=$(printf '%s\\n' "$now" | grep -vxFf - "$told" | tee -a /dev/stderr)
printf '%s\\n' "$now" >>"$told"
case $request in *'"action":"verify"'*) result=works;; *) result=candidate-refused;; esac
jq -cn --arg result $result --arg words "$words $(printf '%s' "$words" | rev)" '{$result, $words}'
test $result = works`
  const { outcome, world, address } = await rotateBy(t, says, undefined, 'program')
  t.match(outcome, { result: 'refused', words: /withheld/ })
  const events = await world.audit.list({ limit: 1000 })
  const kept = JSON.stringify([outcome, events, await world.journal.list({ ...address, limit: 10 })])
  const versions = await world.vault.history(address)
  t.equal(versions.length, 6)
  const target = (await world.targets.get('orders'))!
  for (const { version } of versions) {
    const material = await world.vault.openVersion(address, version, target)
    const password = material.kind === 'password' ? material.password.reveal() : ''
    for (const form of [password, [...password].reverse().join('')])
      t.notOk(kept.includes(JSON.stringify(form).slice(1, -1)), `version ${version}`)
  }
})

t.test('one that could not be run is named when the gateway starts', async t => {
  const lines: string[] = []
  const log = createLog('warn', { write: line => void lines.push(line) })
  const missing = { ...SETTINGS, path: '/no/such/program' }
  await lookAtPrograms({ good: SETTINGS, missing, folder: { ...SETTINGS, path: '/tmp' } }, log)
  t.match(lines.join(''), /rotation\.programs\.missing: the program \/no\/such\/program cannot be opened/)
  t.match(lines.join(''), /rotation\.programs\.folder: .*it is not a file/)
  t.equal(lines.length, 2)
  await lookAtPrograms({ earlier: { ...SETTINGS, connectorOf: undefined } }, log)
  t.match(lines[2], /rotation\.programs\.earlier: without connectorOf .* any account/)
})

t.test('one is given no credential of an account that the configuration does not mean it for', async t => {
  const log = createLog('silent')
  const path = join(t.testdir({ program: '' }), 'program')
  writeFileSync(path, `#!/bin/sh\ncat >"$SEEN"; echo '{"result":"changed"}'`, { mode: 0o755 })
  const SEEN = join(t.testdirName, 'seen')
  const programs = { mine: { ...SETTINGS, path, environment: { SEEN }, connectorOf: ['app@orders'] } }
  const world = await rotationWorldOf(t, { connectors: createProgramConnectors(programs, SERVED, log) })
  const { host, port } = server
  await world.targets.put(
    targetSchema.parse({
      ...{ name: 'orders', protocol: 'postgres', host, port, tls: 'disable', allowLocal: true },
      accounts: [{ name: 'dba' }],
    }),
  )
  const address = { account: 'dba', target: 'orders' }
  await world.vault.setCredential(address, { kind: 'password', password: new Secret('first') }, 'owner')
  await t.rejects(world.rotations.rotate(address, { trigger: 'by-hand', by: 'owner' }), {
    code: 'BAD_REQUEST',
    message: /mine is not meant for dba@orders: rotation\.programs\.mine\.connectorOf/,
  })
  t.equal((await world.vault.history(address)).length, 1, 'no candidate was stored')
  t.throws(() => readFileSync(SEEN), /ENOENT/, 'it was not started')
})

t.test('a program has no name of a connector of the gateway’s own', async t => {
  const make = () => createProgramConnectors({ 'postgres-role': SETTINGS }, SERVED, createLog('silent'))
  t.throws(make, { code: 'CONFIG_INVALID' })
})
