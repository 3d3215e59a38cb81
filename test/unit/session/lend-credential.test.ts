import t, { type Test } from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import type { EndReason } from '../../../src/session/state.ts'
import { type LendingParts, lendCredential } from '../../../src/session/steps/lend-credential.ts'
import { GatewayError, isRefusal, type Refusal } from '../../../src/shared/errors.ts'
import { createLog } from '../../../src/shared/log.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { KeyEncryptionKey } from '../../../src/vault/key-encryption-key.ts'
import { createVault } from '../../../src/vault/vault.ts'
import { anyTarget, grantFor, standingClock } from '../../support/identity-parts.ts'

/** Counts how often something is opened, or sealed. */
class CountedKey extends KeyEncryptionKey {
  uses = 0
  override get keyObject() {
    this.uses++
    return super.keyObject
  }
}

async function prepare(t: Test, stored: () => Promise<void> = async () => undefined) {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const clock = standingClock()
  const key = new CountedKey(Buffer.alloc(32, 7))
  const vault = await createVault({ database, key, clock, targets: anyTarget })
  await vault.setCredential(
    { account: 'root', target: 'web-01' },
    { kind: 'password', password: new Secret('hush') },
    'owner',
  )
  const grant = grantFor({ endsAt: clock.now() + 1000 })
  const seen = { atBegin: -1, ended: [] as EndReason[], refused: [] as string[] }
  const parts = {
    ...{ vault, log: createLog('silent'), stopping: () => false, live: { accessChanges: 0 } },
    changes: {
      earlierEnded: async () => undefined,
      async begin(lease: Parameters<typeof vault.startLease>[0]) {
        seen.atBegin = key.uses
        await stored()
        await vault.startLease(lease)
      },
      end: async (_of: unknown, { reason }: { reason: EndReason }) => {
        seen.ended.push(reason)
        return true
      },
    },
    recordings: { fileOf: () => 'a file', noted: async () => undefined },
    pendingWrites: { write: (_session: string, write: () => Promise<void>) => write() },
    sessionAudit: { sessionRefused: async (_grant: unknown, { code }: Refusal) => void seen.refused.push(code) },
  } as unknown as LendingParts
  const lend = () =>
    lendCredential(
      parts,
      { grant, accessChanges: 0, stillAllowed: async () => ({ is: 'allowed' }) } as never,
      '192.0.2.1',
      {},
    )
  return { database, key, seen, lend }
}

t.test('a credential is opened after its loan is stored, and not before', async t => {
  const { key, seen, lend } = await prepare(t)
  const lease = await lend()
  if (isRefusal(lease)) throw new Error(lease.detail)
  t.equal(lease.material.kind === 'password' && lease.material.password.reveal(), 'hush')
  t.equal(key.uses - seen.atBegin, 1, 'the version itself')
})

t.test('a credential whose loan cannot be stored is not opened', async t => {
  const { key, seen, lend } = await prepare(t, async () => {
    throw new GatewayError('AUDIT_UNAVAILABLE', 'The audit log cannot be written.')
  })
  t.match(await lend(), { refused: true, code: 'AUDIT_UNAVAILABLE' })
  t.equal(key.uses, seen.atBegin)
  t.same(seen.refused, ['AUDIT_UNAVAILABLE'])
})

t.test('one that does not open any more ends the session that it was lent to', async t => {
  const { database, seen, lend } = await prepare(t)
  const { bound } = await database.selectFrom('credentials').select('bound').executeTakeFirstOrThrow()
  await database
    .updateTable('credentials')
    .set({ bound: `${bound!.slice(0, -9)}AAAAAAAAA` })
    .execute()
  t.match(await lend(), { refused: true, code: 'CREDENTIAL_UNAVAILABLE', detail: /VAULT_DAMAGED/ })
  t.same(seen, { atBegin: seen.atBegin, ended: ['connect-failed'], refused: ['CREDENTIAL_UNAVAILABLE'] })
})
