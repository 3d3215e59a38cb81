/** Where else a password is written hears of the new one before the old one is given up; what does not take it is seen, and told again. */

import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { postgresRole } from '../../../src/protocols/postgres/rotation/connector.ts'
import type { DependentProgram } from '../../../src/rotation/dependents/dependents.ts'
import type { Connector } from '../../../src/session/connector.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { targetSchema } from '../../../src/targets/target.ts'
import { run } from '../../support/child.ts'
import { psql } from '../../support/psql.ts'
import { rotationWorldOf } from '../../support/rotation-parts.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const server = await startPostgres()
t.teardown(() => server.stop())
const byHand = { trigger: 'by-hand', by: 'alice' } as const
const signal = AbortSignal.timeout(60_000)

/** A file that its program writes what it is told into, unless there is a file `….broken`. */
function placeIn(folder: string, name: string) {
  const path = join(folder, name)
  const file = join(folder, `${name}.env`)
  writeFileSync(
    path,
    `#!/bin/sh
request=$(cat)
echo told >>"$FILE.count"
if [ -e "$FILE.broken" ]; then echo '{"result":"not-told","words":"the disk is full"}'; exit 1; fi
printf '%s' "$request" | jq -r '.action, .login, .credential.password, .credentialVersion' >"$FILE"
echo '{"result":"told"}'
`,
  )
  chmodSync(path, 0o755)
  const program = (dependentsOf: string[]): DependentProgram => ({
    ...{ path, arguments: [], environment: { FILE: file }, timeout: 20_000, dependentsOf },
  })
  return {
    program,
    read: () => readFileSync(file, 'utf8').trim().split('\n'),
    times: () => readFileSync(`${file}.count`, 'utf8').trim().split('\n').length,
    breaks: () => writeFileSync(`${file}.broken`, ''),
    works: () => rmSync(`${file}.broken`),
  }
}

let accounts = 0

async function newWorld(
  t: Test,
  dependents: string[],
  programs: Record<string, DependentProgram>,
  connector: Connector = postgresRole,
) {
  const account = `app${++accounts}`
  await server.psql(`create role ${account} login password 'first'`)
  const world = await rotationWorldOf(t, { connectors: [connector], programs })
  const { host, port } = server
  await world.targets.put(
    targetSchema.parse({
      ...{ name: 'orders', protocol: 'postgres', host, port, tls: 'disable', database: 'postgres', allowLocal: true },
      accounts: [{ name: account, dependents: dependents.map(program => ({ program })) }],
    }),
  )
  const address = { account, target: 'orders' }
  await world.vault.setCredential(address, { kind: 'password', password: new Secret('first') }, 'owner')
  const job = async () => (await world.schedule.list()).find(({ kind }) => kind === 'tell-dependents')
  const events = async () => {
    await world.audit.flush()
    const events = (await world.audit.list()).filter(({ kind }) => kind.startsWith('dependent.'))
    return events.map(({ kind, actor, data }) => ({ kind, actor, data: JSON.parse(data) }))
  }
  return { ...world, address, account, job, events }
}

const logsIn = async (account: string, password: string) =>
  (await psql(`host=${server.host} port=${server.port} user=${account} dbname=postgres`, password, ['select 1']))
    .code === 0

t.test('a dependent has the new password before the rotation is over, and is told once', async t => {
  const place = placeIn(t.testdir(), 'orders-env')
  const world = await newWorld(t, ['orders-env'], { 'orders-env': place.program(['*@orders']) })
  t.match(await world.rotations.rotate(world.address, byHand), { result: 'rotated', version: 2, words: '' })
  const [action, login, password, version] = place.read()
  t.same([action, login, version], ['tell', world.account, '2'])
  t.ok(await logsIn(world.account, password!))
  t.notOk(await logsIn(world.account, 'first'))
  t.equal(place.times(), 1)
  t.equal(await world.job(), undefined)
  t.match(await world.dependentStates.of(world.address), [{ program: 'orders-env', version: 2, failed: undefined }])
  const account = `${world.account}@orders`
  t.match(await world.events(), [{ kind: 'dependent.told', actor: 'alice', data: { account, version: 2 } }])
})

t.test('the example in the documentation does what it says', async t => {
  const docs = readFileSync(join(import.meta.dirname, '../../../docs/vault.md'), 'utf8')
  const folder = t.testdir()
  const path = join(folder, 'orders-service')
  writeFileSync(path, /## Dependents.*?```sh\n(#!.*?)```/s.exec(docs)![1]!, { mode: 0o755 })
  const FILE = join(folder, 'database.env')
  const program = { path, arguments: [], timeout: 20_000, dependentsOf: ['*'] }
  const first = { ...program, environment: { FILE, RELOAD: 'false' } }
  const broken = await newWorld(t, ['orders-service'], { 'orders-service': first })
  t.match(await broken.rotations.rotate(broken.address, byHand), { words: /orders-service: false failed/ })
  const world = await newWorld(t, ['orders-service'], {
    'orders-service': { ...program, environment: { FILE, RELOAD: 'true' } },
  })
  t.match(await world.rotations.rotate(world.address, byHand), { result: 'rotated', words: '' })
  const check = `. "$FILE"; PGPASSWORD=$DATABASE_PASSWORD psql -h ${server.host} -p ${server.port} -U "$DATABASE_USER" -Atc 'select 1' postgres`
  t.equal((await run('sh', ['-c', check], { env: { ...process.env, FILE } })).stdout.trim(), '1')
  t.equal(statSync(FILE).mode & 0o777, 0o600)
})

t.test('one that does not take it is seen, and told again until it does; the others are left alone', async t => {
  const folder = t.testdir()
  const [good, bad] = [placeIn(folder, 'good'), placeIn(folder, 'bad')]
  const programs = { good: good.program(['*']), bad: bad.program(['app*@orders']) }
  const world = await newWorld(t, ['bad', 'good'], programs)
  bad.breaks()
  t.match(await world.rotations.rotate(world.address, byHand), {
    result: 'rotated',
    words: 'dependents have not taken it: bad: the disk is full',
  })
  t.match(await world.states.get(world.address), { state: 'failed', verified_result: 'works', words: /disk is full/ })
  t.match(await world.dependentStates.failing(), [
    { program: 'bad', failed: { version: 2, words: 'the disk is full' } },
  ])
  t.match(await world.events(), [{ kind: 'dependent.not-told', data: { program: 'bad' } }, { kind: 'dependent.told' }])
  const job = (await world.job())!
  t.match(job, { key: `${world.account}@orders`, payload: { by: 'alice' } })
  await t.rejects(world.tellingAgain.run(job, signal), /bad: the disk is full/)
  t.match(await world.dependentStates.failing(), [{ failed: { tries: 2 } }])
  bad.works()
  t.equal(await world.tellingAgain.run(job, signal), undefined)
  t.ok(await logsIn(world.account, bad.read()[2]!))
  t.match(await world.states.get(world.address), { state: 'ok', words: '' })
  t.same(await world.dependentStates.failing(), [])
  t.same([good.times(), bad.times()], [1, 3])
})

t.test('where the old one stays valid until it is taken away, that waits for them', async t => {
  const place = placeIn(t.testdir(), 'orders-env')
  let finished = 0
  const finish: Connector['finish'] = async () => {
    finished++
    return { result: 'changed' }
  }
  const world = await newWorld(t, ['orders-env'], { 'orders-env': place.program(['*']) }, { ...postgresRole, finish })
  place.breaks()
  t.match(await world.rotations.rotate(world.address, byHand), { result: 'open', words: /the disk is full/ })
  t.equal((await world.vault.standing(world.address))?.version, 2, 'the new one is lent')
  t.match(await world.rotations.rotate(world.address, byHand), { result: 'open', words: /the disk is full/ })
  t.equal(finished, 0)
  t.equal(await world.job(), undefined, 'the rotation itself comes back to it')
  place.works()
  t.match(await world.rotations.rotate(world.address, byHand), { result: 'rotated', version: 2, words: '' })
  t.equal(finished, 1)
  t.same(world.told, [world.account], 'open sessions hear of it once')
  t.match(await world.states.get(world.address), { state: 'ok' })
})

t.test('a program is told of the accounts that the gateway means it for, and of no other', async t => {
  const place = placeIn(t.testdir(), 'orders-env')
  const world = await newWorld(t, ['orders-env', 'toString'], {
    'orders-env': place.program(['root@orders', 'app*@other', 'app']),
  })
  t.match(await world.rotations.rotate(world.address, byHand), {
    result: 'rotated',
    words:
      /orders-env: it is not meant for this account: rotation.programs.orders-env.dependentsOf; toString: .* has no toString/,
  })
  t.throws(() => place.times(), /ENOENT/, 'it was not started')
  const target = (await world.targets.get('orders'))!
  await world.targets.put({ ...target, accounts: [{ ...target.accounts[0]!, dependents: undefined }] })
  t.equal(await world.tellingAgain.run((await world.job())!, signal), undefined)
  t.same(await world.dependentStates.of(world.address), [], 'what is named no more is forgotten')
})
