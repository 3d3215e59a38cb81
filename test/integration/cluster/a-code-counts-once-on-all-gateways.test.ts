import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { createRedisCluster } from '../../../src/cluster/redis.ts'
import { openDatabase } from '../../../src/database/database.ts'
import type { Proof } from '../../../src/identity/proof.ts'
import { createLog } from '../../../src/shared/log.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { ofSession, type PromisedLease } from '../../../src/vault/lease.ts'
import {
  byBoth,
  byCode,
  byPassword,
  createIdentity,
  grantFor,
  newKeyProvider,
  otherCode,
  standingClock,
} from '../../support/identity-parts.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { startRedis } from '../../support/start-redis.ts'

const PASSWORD = 'open sesame'
const NEVER = { rememberFactorMs: 0 }

const [postgres, redis] = await Promise.all([startPostgres(), startRedis()])
t.teardown(() => Promise.all([postgres.stop(), redis.stop()]))

/** Two gateways on one new database and one Redis, each with connections and memory of its own. */
async function twoGateways(t: { teardown(handler: () => unknown): void }, redisUrl = redis.url) {
  const url = await postgres.createDatabase()
  const clock = standingClock()
  const keyProvider = await newKeyProvider(t)
  const start = async (gateway: string) => {
    const database = await openDatabase(url)
    const log = createLog('silent')
    const cluster = createRedisCluster({ url: redisUrl, gateway, clock, log, timeoutMs: 20_000 })
    t.teardown(async () => {
      await cluster.close()
      await database.destroy()
    })
    while (!cluster.available) await pause(10)
    return createIdentity(t, { database, keyProvider, cluster, clock })
  }
  const [one, two] = await Promise.all([start('gw_one'), start('gw_two')])
  return { one, two, clock }
}

t.test('of many uses of one code at the same moment, on both gateways, exactly one counts', async t => {
  const { one, two, clock } = await twoGateways(t)
  const { code } = await one.enrol({ name: 'race-winner' })
  for (let round = 0; round < 4; round++) {
    const attempts = await Promise.all(
      [one, two, one, two, one, two].map(async gateway => {
        const attempt = await gateway.begin('race-winner', `192.0.2.${round}`)
        await attempt.verify(byPassword(PASSWORD), NEVER)
        return attempt
      }),
    )
    const results = await Promise.all(attempts.map(attempt => attempt.verify(byCode(code()), NEVER)))
    t.equal(results.filter(Boolean).length, 1)
    clock.move(30_000)
  }
})

t.test(
  'a code used on one gateway is refused on the other, unless its factor is remembered for that source',
  async t => {
    const { one, two } = await twoGateways(t)
    const { code } = await one.enrol({ name: 'bound' })
    const login = async (gateway: typeof one, rememberFactorMs: number, from: string) => {
      const attempt = await gateway.begin('bound', from)
      await attempt.verify(byBoth(PASSWORD + code()), { rememberFactorMs })
      return (await attempt.principal([['password', 'totp']])) !== undefined
    }
    t.equal(await login(one, 60_000, '192.0.2.1'), true)
    t.equal(await login(two, 0, '192.0.2.1'), false)
    t.equal(await login(two, 60_000, '192.0.2.2'), false)
    t.equal(await login(two, 60_000, '192.0.2.1'), true)
  },
)

t.test('guesses on one gateway are counted on the other, and never let the right code in meanwhile', async t => {
  const { one, two, clock } = await twoGateways(t)
  const { code } = await one.enrol({ name: 'guessed' })
  const guess = async (gateway: typeof one, proof: Proof, from: string) => {
    const attempt = await gateway.begin('guessed', from)
    await attempt.verify(byPassword(PASSWORD), NEVER)
    return attempt.verify(proof, NEVER)
  }
  for (let i = 0; i < 6; i++) await guess(i % 2 ? one : two, byCode(otherCode(code)), `192.0.2.${10 + i}`)
  // Locked for two seconds, which pass when the clock is moved (and a little for the way to Redis).
  for (const gateway of [one, two]) t.equal(await guess(gateway, byCode(code()), '192.0.2.50'), false)
  clock.move(2500)
  t.equal(await guess(two, byCode(code()), '192.0.2.50'), true)
})

t.test('gateways that start side by side on an empty store agree on their keys and versions', async t => {
  const { one, two } = await twoGateways(t)
  const [a, b] = await Promise.all([one.vault.signingKey(), two.vault.signingKey()])
  t.equal(a.publicKeyPem, b.publicKeyPem)
  const address = { account: 'root', target: 'web-01' }
  const versions = await Promise.all(
    [one, two, one, two, one, two].map(({ vault }, i) =>
      vault.setCredential(address, { kind: 'password', password: new Secret(`p${i}`) }, 'owner'),
    ),
  )
  t.same(versions.sort(), [1, 2, 3, 4, 5, 6])
  const lease = await two.vault.lease(grantFor({ endsAt: one.clock.now() + 1000 }))
  t.match(lease, { version: 6 })
  await two.vault.startLease(lease as PromisedLease)
  t.equal((await one.vault.listCredentials()).length, 1)
  t.same(await one.vault.endLeases(ofSession('ses_1')), [(lease as PromisedLease).id])
})

t.test('with Redis gone new logins are refused, and go on by themselves when it is back', async t => {
  const own = await startRedis()
  t.teardown(() => own.stop())
  const { one } = await twoGateways(t, own.url)
  const { code } = await one.enrol({ name: 'waiting' })
  const attempt = await one.begin('waiting')
  t.equal(await attempt.verify(byPassword(PASSWORD), NEVER), true)
  await own.kill()
  await t.rejects(attempt.verify(byCode(code()), NEVER), { code: 'CLUSTER_UNAVAILABLE' })
  t.match(await one.authenticator.begin('waiting', { address: '192.0.2.1', port: 1 }), { code: 'CLUSTER_UNAVAILABLE' })
  await own.restart()
  while (!one.cluster.available) await pause(10)
  t.equal(await attempt.verify(byCode(code()), NEVER), true, 'the code was not used up')
})
