/** How versions are looked for that log in: with pauses, a bound, and nothing sent that was stored for another target. */

import t from 'tap'
import { createAuditLog } from '../../../src/audit/audit-log.ts'
import { createOutbox } from '../../../src/audit/chain/outbox.ts'
import { openDatabase } from '../../../src/database/database.ts'
import { createAccountStates } from '../../../src/rotation/account-states.ts'
import { createJournal } from '../../../src/rotation/journal.ts'
import { createLogins } from '../../../src/rotation/logins.ts'
import { createRestores } from '../../../src/rotation/restore/restores.ts'
import type { Connector, Verification } from '../../../src/session/connector.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { fingerprintOf, identityOf } from '../../../src/targets/identity.ts'
import { createTargets } from '../../../src/targets/targets.ts'
import { createVault } from '../../../src/vault/vault.ts'
import { directDialer } from '../../support/direct-dialer.ts'
import { newKeyProvider, sshTarget, standingClock } from '../../support/identity-parts.ts'

const ROOT = { account: 'root', target: 'web-01' }
const password = (text: string) => ({ kind: 'password', password: new Secret(text) }) as const
const BY = { by: 'carol', dryRun: false }
const signal = new AbortController().signal

/** A vault with versions p1, p2, … of one account, whose target knows `known`. */
async function world(t: { teardown(handler: () => unknown): void }, versions: number, tries = 3) {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const clock = standingClock()
  const targets = createTargets({ database, clock })
  await targets.put(sshTarget('web-01', { accounts: [{ name: 'root' }] }))
  const vault = await createVault({ database, key: await (await newKeyProvider(t)).load(), clock, targets })
  for (let version = 1; version <= versions; version++)
    await vault.setCredential(ROOT, password(`p${version}`), 'owner')
  const audit = createAuditLog({ database, signer: await vault.signingKey(), gateway: 'gw_1', clock })
  const states = createAccountStates({ database, clock })
  const outbox = createOutbox({ database, gateway: 'gw_1', clock })
  const journal = createJournal({ database, outbox, gateway: 'gw_1', clock, follow: states.follow })
  const target = { known: '', answers: true }
  /** What was sent to the target, and the pauses in between, in milliseconds. */
  const seen: (string | number)[] = []
  const verify: Connector['verify'] = async ({ material }): Promise<Verification> => {
    const text = material.kind === 'password' ? material.password.reveal() : 'a key'
    seen.push(text)
    if (!target.answers) return { result: 'unreachable', words: 'nobody answers' }
    return text === target.known ? { result: 'works' } : { result: 'refused', words: 'no' }
  }
  const connector = { name: 'test', kinds: ['password'], verify } as unknown as Connector
  const restores = createRestores({
    ...{ audit, clock, journal, states, vault, limits: { tries, pauseMs: 10_000 } },
    served: () => ({ connectors: [connector], logIn: () => Promise.reject(new Error('never')) }),
    logins: createLogins({ vault, targets, audit, dialTarget: directDialer, verifyWithinMs: 1000 }),
    pause: async ms => void seen.push(ms),
    inForce: async () => undefined,
    closing: signal,
    count: () => undefined,
  })
  return { restores, vault, targets, clock, target, seen, audit, states }
}

t.test(
  'the newest come first, with a pause after each that is refused, and it ends with the one that lives',
  async t => {
    const { restores, target, seen, vault, audit } = await world(t, 5)
    target.known = 'p3'
    const { result, lives, version, untried } = await restores.probe(ROOT, BY, signal)
    t.same([result, lives, version, untried], ['restored', 3, 6, [2, 1]])
    t.same(seen, ['p5', 10_000, 'p4', 10_000, 'p3'])
    t.match(await vault.standing(ROOT), { version: 6, unconfirmed: undefined })
    const events = await audit.list({ limit: 20 })
    t.equal(
      events.filter(({ kind }) => kind === 'credential.used-for-rotation').length,
      3,
      'each is audited as it is opened',
    )

    t.match(await restores.probe(ROOT, BY, signal), { result: 'in-force', lives: 6 })
    t.equal(seen.length, 6)
  },
)

t.test('no more are refused than the target may count, and the next time goes on with the others', async t => {
  const { restores, target, seen, clock, states } = await world(t, 5)
  target.known = 'p1'
  t.match(await restores.probe(ROOT, BY, signal), { result: 'stopped', untried: [2, 1], version: 5 })
  t.same(seen, ['p5', 10_000, 'p4', 10_000, 'p3'])
  t.match(
    await states.get(ROOT),
    { state: 'failed', verified_result: 'changed-elsewhere' },
    'what is in force is refused',
  )
  clock.move(60_000)
  t.match(await restores.probe(ROOT, { by: 'carol', dryRun: true }, signal), { result: 'found', lives: 1, version: 5 })
  t.same(seen.slice(5), ['p2', 10_000, 'p1'])
})

t.test('nothing is sent twice, nor to another target than it was stored for', async t => {
  const { restores, target, targets, seen, vault } = await world(t, 2, 10)
  await vault.restoreCredential(ROOT, 1, 'owner')
  const moved = sshTarget('web-01', { accounts: [{ name: 'root' }], host: '198.51.100.7' })
  target.known = 'nothing of it'
  t.match(await restores.probe(ROOT, BY, signal), { result: 'none', untried: [] })
  t.same(seen, ['p1', 10_000, 'p2'], 'version 3 is version 1 again')
  seen.length = 0
  await targets.put(moved)
  await vault.confirmCredential(ROOT, fingerprintOf(identityOf(moved, 'root')))
  const { tried } = await restores.probe(ROOT, BY, signal)
  t.same(
    tried.map(({ version, result }) => `${version} ${result}`),
    ['1 withheld', '3 refused', '2 withheld'],
    'what was just refused comes last',
  )
  t.same(
    seen.filter(each => typeof each === 'string'),
    ['p1'],
  )
})

t.test('where nobody answers it stops at once, and changes nothing', async t => {
  const { restores, target, seen, vault } = await world(t, 3)
  target.answers = false
  t.match(await restores.probe(ROOT, BY, signal), { result: 'unreachable', untried: [2, 1] })
  t.same(seen, ['p3'])
  t.match(await vault.standing(ROOT), { version: 3 })
})

t.test('whoever asks and leaves has no more tried', async t => {
  const { restores, seen } = await world(t, 3)
  const gone = new AbortController()
  gone.abort(new Error('the client left'))
  await t.rejects(restores.probe(ROOT, BY, gone.signal))
  t.ok(seen.length <= 1)
  t.match((await restores.probe(ROOT, BY, signal)).result, 'none', 'and the next one may')
})
