/**
 * A rotation that is killed at any step, whose target lies, is cut or does not answer, and that two gateways begin at once: never is a
 * password in force that the vault does not hold, and what it lends logs in. Against a real PostgreSQL.
 */

import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import { postgresRole } from '../../../src/protocols/postgres/rotation/connector.ts'
import { createVersionRetention } from '../../../src/rotation/retention.ts'
import { createRetentionTime } from '../../../src/rotation/retention-time.ts'
import type { ChangeResult, Connector, CredentialChange } from '../../../src/session/connector.ts'
import { createLog } from '../../../src/shared/log.ts'
import { createMetrics } from '../../../src/shared/metrics.ts'
import type { AccountAddress } from '../../../src/shared/names.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { targetSchema } from '../../../src/targets/target.ts'
import { type CredentialMaterial, eraseMaterial } from '../../../src/vault/lease.ts'
import { Crash, openCrashing } from '../../support/crashing-database.ts'
import { directDialer } from '../../support/direct-dialer.ts'
import { createTestClock, type TestClock } from '../../support/recording-parts.ts'
import { createRotationWorld, type RotationWorld, type RotationWorldOptions } from '../../support/rotation-parts.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const folder = mkdtempSync(join(tmpdir(), 'sallyport-rotation-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const server = await startPostgres()
t.teardown(() => server.stop())

const template = join(folder, 'template.db')
await (await openDatabase(`sqlite:${template}`)).destroy()

interface Place {
  readonly url: string
  readonly account: string
  readonly address: AccountAddress
  readonly clock: TestClock
}

let places = 0

/** A role of its own, on a store of its own. */
async function newPlace(url?: string): Promise<Place> {
  const account = `app${++places}`
  const first = `first password of ${account}`
  await server.psql(`create role ${account} login password '${first}'`)
  if (url === undefined) copyFileSync(template, join(folder, `${account}.db`))
  const clock = createTestClock(Date.now())
  const place = {
    url: url ?? `sqlite:${join(folder, `${account}.db`)}`,
    account,
    address: { account, target: 'orders' },
    clock,
  }
  await inWorld(place, {}, async ({ targets, vault }) => {
    const { host, port, superuser, superPassword } = server
    await targets.put(
      targetSchema.parse({
        ...{ name: 'orders', protocol: 'postgres', host, port, tls: 'disable', database: 'postgres', allowLocal: true },
        accounts: [{ name: account }, { name: superuser }],
      }),
    )
    await vault.setCredential(place.address, password(first), 'owner')
    await vault.setCredential({ account: superuser, target: 'orders' }, password(superPassword), 'owner')
  })
  return place
}

const password = (text: string) => ({ kind: 'password', password: new Secret(text) }) as const

type Options = Partial<RotationWorldOptions>

async function inWorld<T>(
  { url, clock }: Place,
  options: Options,
  act: (world: RotationWorld) => Promise<T>,
): Promise<T> {
  const database = await openDatabase(url)
  const world = await createRotationWorld({ connectors: [postgresRole], clock, ...options, database })
  try {
    return await act(world)
  } finally {
    await world.rotations.close()
    await world.audit.close()
    await database.destroy()
  }
}

/** The versions that log in at the server. */
async function living({ vault, targets }: RotationWorld, address: AccountAddress): Promise<number[]> {
  const target = (await targets.get(address.target))!
  const account = target.accounts.find(({ name }) => name === address.account)!
  const found: number[] = []
  for (const { version } of await vault.history(address)) {
    const material = await vault.openVersion(address, version, target)
    const login = { target, account, material, dialer: directDialer(target) }
    if ((await postgresRole.verify(login, AbortSignal.timeout(20_000))).result === 'works') found.push(version)
    eraseMaterial(material)
  }
  return found
}

/** What the vault lends is what logs in; nothing is open, and the account is well. */
async function checkWell(t: Test, world: RotationWorld, { address }: Place, at: string): Promise<void> {
  const current = (await world.vault.standing(address))!
  t.equal(current.unconfirmed, undefined, at)
  t.same(await living(world, address), [current.version], `${at}: what is lent logs in, and nothing else does`)
  t.equal(await world.journal.openOf(address), undefined, `${at}: nothing is open`)
  t.not((await world.states.get(address))?.state, 'unknown', at)
  t.match(await world.audit.verify(), { ok: true }, at)
}

const byHand = { trigger: 'by-hand', by: 'owner' } as const

/** The connector, but for what the test has it do. */
function connector(
  change: (real: () => Promise<ChangeResult>, asked: CredentialChange) => Promise<ChangeResult>,
): Connector {
  return { ...postgresRole, change: (asked, signal) => change(() => postgresRole.change(asked, signal), asked) }
}

t.test('a password is rotated, is verified by a login, and the one before stays in history', async t => {
  const place = await newPlace()
  const { address } = place
  await inWorld(place, {}, async world => {
    t.match(await world.rotations.rotate(address, byHand), { result: 'rotated', version: 2, words: '' })
    await checkWell(t, world, place, 'rotated')
    t.match(await world.vault.history(address), [
      { version: 2, cause: 'rotated', verified: { result: 'works' } },
      { version: 1 },
    ])
    t.same(world.told, [address.account])
    await world.audit.flush()
    const kinds = (await world.audit.list()).map(({ kind }) => kind).filter(kind => kind.startsWith('rotation.'))
    t.same(
      kinds,
      ['prepared', 'applying', 'applied', 'verified', 'current', 'finished'].map(each => `rotation.${each}`),
    )
    t.match(await world.states.get(address), { state: 'ok', failures: 0, verified_result: 'works' })
  })
})

/** Lets a process do this until it dies by the crash: at a statement of the store, or around what it asks of the target. True when it came to its end. */
async function until(
  { url, clock }: Place,
  crash: Crash,
  act: (world: RotationWorld) => Promise<unknown>,
): Promise<boolean> {
  const database = openCrashing(url, crash)
  const dying: Connector = {
    ...postgresRole,
    verify: (...asked) => crash.around(() => postgresRole.verify(...asked)),
    change: (...asked) => crash.around(() => postgresRole.change(...asked)),
  }
  const world = await createRotationWorld({ database, clock, connectors: [dying] })
  crash.armed = true
  const over = await Promise.race([crash.dead, act(world).then(() => 'over')])
  if (over === 'over') await world.rotations.close()
  if (over === 'over' || url.startsWith('sqlite:')) await database.destroy()
  return over === 'over'
}

/** The next start of the gateway, and the minutes after it. */
function nextStart(t: Test, place: Place, at: string): Promise<void> {
  place.clock.move(500)
  return inWorld(place, {}, async world => {
    for (let round = 0; round < 3; round++) {
      await world.rotations.recover()
      place.clock.move(60_000)
    }
    await world.audit.flush(new Set([world.gateway]))
    await checkWell(t, world, place, `killed ${at}`)
  })
}

/** Every step where it is run by hand for the whole of it; some of them in the suite. */
const STRIDE = Number(process.env.SALLYPORT_KILL_STRIDE ?? 9)

t.test('killed at any step', async t => {
  let steps = 0
  for (let at = 1, over = false; !over; at += STRIDE) {
    const place = await newPlace()
    const crash = new Crash(at)
    over = await until(place, crash, world => world.rotations.rotate(place.address, byHand))
    await nextStart(t, place, `at step ${at}`)
    steps = crash.steps
  }
  t.ok(steps > 60, `${steps} steps`)
})

t.test('killed at a step, and again at a step of what goes on with it', async t => {
  for (const first of [66, 80]) {
    for (let at = 3, over = false; !over; at += 4 * STRIDE + 1) {
      const place = await newPlace()
      await until(place, new Crash(first), world => world.rotations.rotate(place.address, byHand))
      place.clock.move(60_000)
      over = await until(place, new Crash(at), world => world.rotations.recover())
      await nextStart(t, place, `at step ${first}, and then at step ${at}`)
    }
  }
})

t.test('killed at a step, with a store on PostgreSQL', async t => {
  for (let at = 5, over = false; !over; at += 4 * STRIDE + 1) {
    const place = await newPlace(await server.createDatabase())
    over = await until(place, new Crash(at), world => world.rotations.rotate(place.address, byHand))
    await nextStart(t, place, `at step ${at}`)
  }
})

t.test('a change that arrives at the target after its gateway was killed is what all end with', async t => {
  const place = await newPlace()
  const crash = new Crash(1)
  let arrive: (() => Promise<ChangeResult>) | undefined
  await Promise.race([
    crash.dead,
    inWorld(
      place,
      {
        gateway: 'gw_dead',
        connectors: [
          connector((real, asked) => {
            // What was opened is erased when its process is: kept as the bytes on the wire would be.
            const { candidate, current } = asked
            const kept = { ...asked, candidate: copyOf(candidate), current: copyOf(current!) }
            arrive = () => postgresRole.change(kept, AbortSignal.timeout(20_000))
            crash.armed = true
            return crash.around(real)
          }),
        ],
      },
      world => world.rotations.rotate(place.address, byHand),
    ),
  ])
  place.clock.move(60_000)
  let tried = 0
  const late: Connector = {
    ...postgresRole,
    async verify(...asked) {
      const result = await postgresRole.verify(...asked)
      // Between the logins that say that nothing has changed, and what follows from that.
      if (++tried === 2) t.match(await arrive!(), { result: 'changed' })
      return result
    },
  }
  await inWorld(place, { connectors: [late] }, async world => {
    await world.rotations.recover()
    t.ok(tried > 2)
    await checkWell(t, world, place, 'late')
    t.equal((await world.vault.standing(place.address))?.version, 2)
  })
})

function copyOf(material: CredentialMaterial): CredentialMaterial {
  return material.kind === 'password'
    ? { ...material, password: new Secret(material.password.revealBytes()) }
    : material
}

function afterIt(said: ChangeResult | Promise<ChangeResult>): Connector {
  return connector(async real => {
    await real()
    return said
  })
}

function insteadOfIt(said: ChangeResult | Promise<ChangeResult>): Connector {
  return connector(async () => said)
}

t.test('a connector that says what is not so is not believed', async t => {
  const lies: { promise: string; options: Options; outcome: Record<string, unknown>; version: number }[] = [
    {
      promise: 'changed, and it is not',
      options: { connectors: [insteadOfIt({ result: 'changed' })] },
      ...{ outcome: { result: 'backed-out', words: /password authentication failed/ }, version: 1 },
    },
    {
      promise: 'not changed, and it is',
      options: { connectors: [afterIt({ result: 'not-changed', words: 'no' })] },
      ...{ outcome: { result: 'rotated' }, version: 2 },
    },
    {
      promise: 'refused, and it is changed',
      options: { connectors: [afterIt({ result: 'candidate-refused', words: 'no' })] },
      ...{ outcome: { result: 'rotated' }, version: 2 },
    },
    {
      promise: 'uncertain, and it is changed',
      options: { connectors: [afterIt({ result: 'uncertain', words: 'cut' })] },
      ...{ outcome: { result: 'rotated' }, version: 2 },
    },
    {
      promise: 'uncertain for ever, and it is not',
      options: { connectors: [insteadOfIt({ result: 'uncertain', words: 'the answer was cut' })] },
      ...{ outcome: { result: 'backed-out', words: 'the answer was cut' }, version: 1 },
    },
    {
      promise: 'nothing: it hangs before the change',
      options: { withinMs: 1000, connectors: [insteadOfIt(new Promise<never>(() => undefined))] },
      ...{ outcome: { result: 'backed-out', words: /not over in time/ }, version: 1 },
    },
    {
      promise: 'nothing: it hangs after the change',
      options: { withinMs: 1000, connectors: [afterIt(new Promise<never>(() => undefined))] },
      ...{ outcome: { result: 'rotated' }, version: 2 },
    },
    {
      promise: 'an exception, with the password in its text',
      options: {
        connectors: [
          connector(async (_, { candidate }) => {
            throw new Error(candidate.kind === 'password' ? candidate.password.reveal() : '')
          }),
        ],
      },
      ...{ outcome: { result: 'backed-out', words: 'it broke (Error)' }, version: 1 },
    },
    {
      promise: 'the password itself, in its words',
      options: {
        connectors: [
          connector(async (_, { candidate }) => ({
            result: 'not-changed',
            words: `no ${candidate.kind === 'password' ? candidate.password.reveal() : ''}`,
          })),
        ],
      },
      ...{ outcome: { result: 'backed-out', words: /withheld/ }, version: 1 },
    },
  ]
  for (const { promise, options, outcome, version } of lies) {
    const place = await newPlace()
    await inWorld(place, options, async world => {
      t.match(await world.rotations.rotate(place.address, byHand), outcome, promise)
      t.equal((await world.vault.standing(place.address))?.version, version, promise)
      await checkWell(t, world, place, promise)
      t.equal((await world.states.get(place.address))?.state, version === 2 ? 'ok' : 'failed')
    })
  }
})

t.test('a candidate that the target refuses is replaced, at most five times, and then its words are told', async t => {
  const place = await newPlace()
  let asked = 0
  const fussy = (least: number) =>
    connector(async real => (++asked < least ? { result: 'candidate-refused', words: 'it is too\nshort' } : real()))
  await inWorld(place, { connectors: [fussy(3)] }, async world => {
    t.match(await world.rotations.rotate(place.address, byHand), { result: 'rotated', version: 4 })
    await checkWell(t, world, place, 'the third')
    asked = 0
  })
  await inWorld(place, { connectors: [fussy(100)] }, async world => {
    const outcome = await world.rotations.rotate(place.address, byHand)
    t.match(outcome, { result: 'refused', words: 'it is too\\nshort' })
    t.equal(asked, 5)
    await checkWell(t, world, place, 'none')
    t.equal((await world.states.get(place.address))?.state, 'failed')
  })
})

t.test('a password that was changed elsewhere is said to be, and not overwritten; reconcile mends it', async t => {
  const place = await newPlace()
  await server.psql(`alter role ${place.account} password 'of somebody else'`)
  await inWorld(place, { policy: { reconcile: server.superuser } }, async world => {
    const { address } = place
    t.match(await world.rotations.rotate(address, byHand), { result: 'not-started', why: 'changed-elsewhere' })
    t.match(await world.rotations.rotate(address, byHand), { result: 'not-started', why: 'changed-elsewhere' })
    t.match(await world.rotations.verify(address, 'owner'), { result: 'changed-elsewhere', version: 1 })
    t.match(await world.states.get(address), { state: 'failed', verified_result: 'changed-elsewhere' })
    await world.audit.flush()
    t.ok((await world.audit.list()).some(({ kind }) => kind === 'credential.changed-elsewhere'))
    t.same(await living(world, address), [])
    t.match(await world.rotations.reconcile(address, 'owner'), { result: 'rotated' })
    await checkWell(t, world, place, 'reconciled')
    t.match(await world.vault.history(address), [{ cause: 'reconciled' }])
    t.match(await world.rotations.reconcile(address, 'owner'), { result: 'not-started', why: 'works' })
  })
})

t.test('where neither logs in the account is unknown, all versions are kept, and reconcile mends it', async t => {
  const place = await newPlace()
  const { address, account } = place
  const other = connector(async () => {
    await server.psql(`alter role ${account} password 'of neither'`)
    return { result: 'changed' }
  })
  await inWorld(place, { connectors: [other] }, async world => {
    t.match(await world.rotations.rotate(address, byHand), { result: 'unknown', words: /version 2: .*version 1: / })
    t.match(await world.states.get(address), { state: 'unknown' })
    t.same(
      world.ended.map(({ state }) => state),
      ['unknown'],
    )
    t.equal((await world.vault.history(address)).length, 2)
  })
  await inWorld(place, { policy: { reconcile: server.superuser } }, async world => {
    t.match(await world.rotations.rotate(address, byHand), { result: 'not-started', why: 'unknown' })
    t.match(await world.states.get(address), { state: 'unknown' })
    t.match(await world.rotations.reconcile(address, 'owner'), { result: 'rotated' })
    await checkWell(t, world, place, 'reconciled')
    t.match(await world.states.get(address), { state: 'ok' })
  })
})

t.test('what nothing mends is said with what to do', async t => {
  const place = await newPlace()
  await inWorld(place, {}, async world => {
    await t.rejects(world.rotations.reconcile(place.address, 'owner'), { code: 'BAD_REQUEST', message: /names none/ })
    await t.rejects(world.rotations.rotate({ account: 'nobody', target: 'orders' }, byHand), { code: 'NOT_FOUND' })
    await t.rejects(world.rotations.verify({ account: 'nobody', target: 'orders' }, 'owner'), { code: 'NOT_FOUND' })
  })
})

t.test('two gateways that rotate one account at once: one of them does', async t => {
  const place = await newPlace(await server.createDatabase())
  await inWorld(place, { gateway: 'gw_one', living: () => ['gw_two'] }, one =>
    inWorld(place, { gateway: 'gw_two', living: () => ['gw_one'] }, async two => {
      const outcomes = await Promise.all(
        [one, two, one, two].map(({ rotations }) => rotations.rotate(place.address, byHand)),
      )
      const rotated = outcomes.filter(({ result }) => result === 'rotated')
      t.ok(rotated.length >= 1)
      for (const outcome of outcomes)
        if (outcome.result !== 'rotated') t.match(outcome, { result: 'not-started', why: 'busy' })
      await one.audit.flush()
      await two.audit.flush()
      await checkWell(t, one, place, 'two at once')
    }),
  )
})

t.test('an account that somebody has checked out for themselves is not rotated', async t => {
  const place = await newPlace()
  await inWorld(place, { heldBy: () => 'alice has it until 12:00' }, async world => {
    const outcome = await world.rotations.rotate(place.address, byHand)
    t.match(outcome, { result: 'not-started', why: 'checked-out', words: /alice/ })
    t.equal((await world.vault.history(place.address)).length, 1)
  })
  // From the moment on in which the candidate was stored, and while what is in force was tried: the second is asked in the journal's transaction.
  for (const free of [1, 2]) {
    const other = await newPlace()
    let asked = 0
    await inWorld(other, { heldBy: () => (asked++ < free ? undefined : 'bob has it') }, async world => {
      t.match(await world.rotations.rotate(other.address, byHand), { result: 'open', words: 'bob has it' })
      t.match(await world.journal.openOf(other.address), { state: 'prepared' })
      t.same(await living(world, other.address), [1])
    })
  }
})

t.test(
  'sessions that are to end and cannot be reached are ended by the next try, and nothing of that stays',
  async t => {
    const place = await newPlace()
    let asked = 0
    const notTold = () => (asked++ === 0 ? 'the cluster is away' : undefined)
    await inWorld(place, { policy: { openSessions: 'cut' }, notTold }, async world => {
      const first = await world.rotations.rotate(place.address, byHand)
      t.match(first, { result: 'open', words: /open sessions could not be ended yet.*the cluster is away/ })
      t.match(await world.journal.openOf(place.address), { state: 'current' }, 'the new one is lent meanwhile')
      t.match(await world.rotations.rotate(place.address, byHand), { result: 'rotated', words: '' })
      t.equal(world.told.length, 2)
    })
  },
)

t.test('a candidate that arrived after it was given up is found by the next verification', async t => {
  const place = await newPlace()
  let late: Promise<ChangeResult> | undefined
  let kept: CredentialChange | undefined
  const slow = connector(async (_, asked) => {
    kept = { ...asked, candidate: copyOf(asked.candidate), current: copyOf(asked.current!) }
    return { result: 'not-changed', words: 'the host said no' }
  })
  await inWorld(place, { connectors: [slow] }, async world => {
    t.match(await world.rotations.rotate(place.address, byHand), { result: 'backed-out' })
    late = postgresRole.change(kept!, AbortSignal.timeout(20_000))
    t.match(await late, { result: 'changed' })
  })
  await inWorld(place, {}, async world => {
    t.match(await world.rotations.verify(place.address, 'owner'), { result: 'works', version: 2 })
    await checkWell(t, world, place, 'late')
  })
})

/** One character of what is sealed is another. */
async function damage(database: Database, { account }: Place, version: number): Promise<void> {
  const of = database.selectFrom('credentials').where('account', '=', account).where('version', '=', version)
  const { bound } = await of.select('bound').executeTakeFirstOrThrow()
  const at = Math.floor(bound!.length / 2)
  const changed = bound!.slice(0, at) + (bound![at] === 'A' ? 'B' : 'A') + bound!.slice(at + 1)
  await sql`update credentials set bound = ${changed} where account = ${account} and version = ${version}`.execute(
    database,
  )
}

t.test('a candidate whose sealed row was changed is given up, and what was before stays', async t => {
  const place = await newPlace()
  let database: Database | undefined
  const cut = connector(async () => {
    await damage(database!, place, 2)
    return { result: 'uncertain', words: 'cut' }
  })
  await inWorld(place, { connectors: [cut] }, async world => {
    database = world.database
    t.match(await world.rotations.rotate(place.address, byHand), { result: 'backed-out', words: /VAULT_DAMAGED/ })
    t.equal(await world.vault.versionInForce(place.address), 1)
    t.equal(await world.journal.openOf(place.address), undefined)
  })
})

t.test('what is in force and does not open is said to be damaged; reconcile mends it', async t => {
  const place = await newPlace()
  const { address } = place
  await inWorld(place, { policy: { reconcile: server.superuser } }, async world => {
    await damage(world.database, place, 1)
    t.match(await world.rotations.verify(address, 'owner'), { result: 'damaged', words: /VAULT_DAMAGED/ })
    t.match(await world.rotations.rotate(address, byHand), { result: 'not-started', why: 'damaged' })
    t.match(await world.states.get(address), { state: 'failed' })
    t.match(await world.rotations.reconcile(address, 'owner'), { result: 'rotated', version: 2 })
    t.match(await world.rotations.verify(address, 'owner'), { result: 'works', version: 2 })
  })
})

t.test('what somebody puts in force while a rotation runs is what it ends with', async t => {
  const place = await newPlace()
  let world: RotationWorld | undefined
  const slow = connector(async real => {
    const result = await real()
    await world!.vault.makeCurrent(place.address, 2, { replacing: 1 })
    return result
  })
  await inWorld(place, { connectors: [slow] }, async opened => {
    world = opened
    t.match(await world.rotations.rotate(place.address, byHand), { result: 'rotated', version: 2 })
    await checkWell(t, world, place, 'put in force')
  })
})

t.test('a password that is typed while a rotation runs gives way to the one that logs in', async t => {
  const place = await newPlace()
  let typed: (() => Promise<unknown>) | undefined
  const slow = connector(async real => {
    const result = await real()
    await typed!()
    return result
  })
  await inWorld(place, { connectors: [slow] }, async world => {
    typed = () => world.vault.setCredential(place.address, password('typed meanwhile'), 'bob')
    t.match(await world.rotations.rotate(place.address, byHand), { result: 'rotated' })
    const { version } = (await world.vault.standing(place.address))!
    t.ok((await living(world, place.address)).includes(version))
    t.match(await world.states.get(place.address), { state: 'ok' })
  })
})

t.test('who changes the journal by hand brings nothing into force that no login has shown', async t => {
  const place = await newPlace()
  const { address } = place
  const finished: boolean[] = []
  const refusing = connector(async () => ({ result: 'not-changed', words: 'not now' }))
  await inWorld(place, {}, async world => {
    t.match(await world.rotations.rotate(address, byHand), { result: 'rotated', version: 2 })
  })
  await inWorld(place, { connectors: [refusing] }, async world => {
    t.match(await world.rotations.rotate(address, byHand), { result: 'backed-out' })
  })
  const finishing: Connector = {
    ...postgresRole,
    async finish() {
      finished.push(true)
      return { result: 'changed' }
    },
  }
  const byHandChanged = [
    { state: 'verified', from_version: 2, to_version: 3 },
    { state: 'verified', from_version: 2, to_version: 1 },
    { state: 'prepared', from_version: 2, to_version: 1 },
    { state: 'prepared', from_version: 2, to_version: 1, way: 'reconcile' },
    { state: 'applying', from_version: 2, to_version: 1, changes: 1 },
    { state: 'current', from_version: 2, to_version: 3 },
    { state: 'current', from_version: 2, to_version: 1 },
  ]
  const policy = { reconcile: server.superuser }
  for (const [at, changed] of byHandChanged.entries()) {
    await inWorld(place, { connectors: [finishing], policy }, async world => {
      const [{ id } = { id: '' }] = await world.journal.list({ ...address, limit: 1 })
      const fresh = { changes: 0, tries: 0, attempt: 1, next_at: 0, claimed_until: 0, ended_at: null }
      await world.database
        .updateTable('rotations')
        .set({ ...fresh, ...changed })
        .where('id', '=', id)
        .execute()
      await world.rotations.recover()
      t.same(await living(world, address), [2], `${at}: the target has what it had`)
      t.equal(await world.vault.versionInForce(address), 2, `${at}: and it is lent`)
      t.same(finished, [], `${at}: it is not taken away`)
    })
  }
})

t.test(
  'while the target does not answer the rotation stays open, and is tried again after pauses that grow',
  async t => {
    const place = await newPlace()
    const { address } = place
    const down = connector(async real => {
      await real()
      await server.crash()
      return { result: 'uncertain', words: 'the connection was cut' }
    })
    await inWorld(place, { connectors: [down] }, async world => {
      t.match(await world.rotations.rotate(address, byHand), { result: 'open', words: /could not be reached/ })
      t.equal((await world.vault.standing(address))?.version, 1)
      const pauses: number[] = []
      for (let round = 0; round < 4; round++) {
        const before = (await world.journal.openOf(address))!
        pauses.push(before.nextAt - place.clock.now())
        place.clock.move(pauses.at(-1)! - 1)
        await world.rotations.recover()
        t.equal((await world.journal.openOf(address))?.tries, before.tries, 'not before its time')
        place.clock.move(1)
        await world.rotations.recover()
      }
      t.same(
        pauses,
        pauses.toSorted((a, b) => a - b),
      )
      t.not((await world.states.get(address))?.state, 'unknown')
      const { tries } = (await world.journal.openOf(address))!
      place.clock.move(-24 * 3_600_000)
      await world.rotations.recover()
      t.equal((await world.journal.openOf(address))?.tries, tries + 1, 'also where the clock was set back')
      await server.restart()
      // Asked for by hand, it is tried at once.
      t.match(await world.rotations.rotate(address, byHand), { result: 'rotated', version: 2 })
      await checkWell(t, world, place, 'back')
    })
  },
)

t.test('what was sent twice stays for a day after another came in force: the first may still arrive', async t => {
  const place = await newPlace()
  const { address, clock } = place
  let lost = false
  const losesOne: Connector = {
    ...postgresRole,
    async change(asked, signal) {
      if (lost) return await postgresRole.change(asked, signal)
      lost = true
      return { result: 'uncertain', words: 'no answer' }
    },
  }
  await inWorld(place, { connectors: [losesOne] }, async world => {
    const { rotations, vault, database } = world
    for (const version of [2, 3]) t.match(await rotations.rotate(address, byHand), { result: 'rotated', version })
    const retention = createVersionRetention({
      ...{ ...world, policies: { list: async () => [] }, time: createRetentionTime({ database, clock }) },
      ...{ metrics: createMetrics(), otherwise: { keep: 1, forMs: 0 }, log: createLog('silent') },
    })
    const kept = async () => {
      await retention.apply(address)
      return (await vault.history(address)).map(({ version }) => version)
    }
    t.same(await kept(), [3, 2])
    clock.move(2 * 86_400_000)
    t.same(await kept(), [3])
  })
})
