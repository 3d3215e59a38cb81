/** The keys of the SSH host CA follow one another in time, are one for all gateways of a store, and open only as they were sealed. */

import { createPublicKey, verify } from 'node:crypto'
import t from 'tap'
import { changeOf } from '../../../src/database/change.ts'
import type { HostSigner } from '../../../src/vault/host-authority.ts'
import { createVault } from '../../../src/vault/vault.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'
import { anyTarget, newKeyProvider, standingClock } from '../../support/identity-parts.ts'

t.teardown(stopStores)

const DAY = 86_400_000

/** Whether its signatures are of the key that it shows. */
function isGood({ publicKey, sign }: HostSigner): boolean {
  const x = publicKey.subarray(-32).toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  return verify(null, Buffer.from('words'), key, sign(Buffer.from('words')))
}

void eachStore(t, 'the host CA', async (t, store) => {
  const database = await store.open()
  const clock = standingClock()
  const key = await (await newKeyProvider(t)).load()
  const open = async () => (await createVault({ database, key, clock, targets: anyTarget })).hostAuthority
  const [authority, elsewhere] = await Promise.all([open(), open()])
  const change = changeOf(database)
  const numbers = async () => (await authority.keys()).map(({ number }) => number)
  const signing = async () => {
    const signer = await authority.signer()
    if (!isGood(signer)) throw new Error('it does not sign by the key that it shows')
    return `ssh-ed25519 ${signer.publicKey.toString('base64')}`
  }

  await t.test('several gateways that ask at once have one key', async t => {
    const [one, other] = await Promise.all([authority.keys(), elsewhere.keys()])
    t.same(one, other)
    t.same(
      one.map(({ number }) => number),
      [1],
    )
    t.equal(await signing(), one[0]!.publicKey)
  })

  await t.test(
    'a new key signs when the overlap is over, on every gateway; then the old one is not shown any more',
    async t => {
      const [old] = await authority.keys()
      const [, next] = await authority.rotate(DAY, change)
      t.same(await numbers(), [1, 2])
      t.equal(await signing(), old!.publicKey)
      await t.rejects(authority.rotate(DAY, change), { code: 'CONFLICT', message: /A new key waits already/ })
      clock.move(DAY)
      t.equal(await signing(), next!.publicKey)
      t.same(await elsewhere.keys(), [next])
    },
  )

  await t.test('without an overlap the new key signs at once, and every other is erased', async t => {
    await authority.rotate(DAY, change)
    const [now, ...others] = await authority.rotate(0, change)
    t.same(others, [])
    t.equal(now!.number, 4)
    t.equal(await signing(), now!.publicKey)
    clock.move(2 * DAY)
    t.equal(await signing(), now!.publicKey, 'the one that waited never signs')
    const rows = await database
      .selectFrom('sealed_keys')
      .select('name')
      .where('name', 'like', 'ssh-host-ca-%')
      .execute()
    t.same(rows, [{ name: 'ssh-host-ca-4' }])
  })

  await t.test('a rotation that fails has changed nothing', async t => {
    await t.rejects(
      authority.rotate(DAY, write =>
        database.transaction().execute(async on => {
          await write(on)
          throw new Error('the audit log is away')
        }),
      ),
      { message: 'the audit log is away' },
    )
    t.same(await numbers(), [4])
  })

  await t.test('what was changed by hand in the store does not open', async t => {
    const row = await database
      .selectFrom('sealed_keys')
      .selectAll()
      .where('name', '=', 'ssh-host-ca-4')
      .executeTakeFirstOrThrow()
    for (const changed of [
      { public: row.public.replace(/"from":\d+/, '"from":1') },
      { name: 'ssh-host-ca-5' },
      { public: JSON.stringify({ ...JSON.parse(row.public), publicKey: `ssh-ed25519 ${'A'.repeat(68)}` }) },
    ]) {
      await database.updateTable('sealed_keys').set(changed).where('name', '=', 'ssh-host-ca-4').execute()
      await t.rejects(authority.signer(), { code: 'VAULT_DAMAGED' }, Object.keys(changed).join())
      await database.updateTable('sealed_keys').set(row).where('name', 'like', 'ssh-host-ca-%').execute()
    }
    t.equal(typeof (await signing()), 'string')
  })
})
