import type { Kysely, KyselyPlugin } from 'kysely'
import t from 'tap'
import type { Cluster } from '../../../src/cluster/cluster.ts'
import { createLocalCluster } from '../../../src/cluster/local.ts'
import { openDatabase } from '../../../src/database/database.ts'
import type { Schema } from '../../../src/database/schema.ts'
import type { Proof } from '../../../src/identity/proof.ts'
import { userSchema } from '../../../src/identity/user.ts'
import { byBoth, byCode, byPassword, createIdentity, otherCode, standingClock } from '../../support/identity-parts.ts'

/** Writes down every query and every question to the cluster, in the order in which they begin. */
function witness() {
  const seen: string[] = []
  const clock = standingClock()
  const local = createLocalCluster({ clock, gateway: 'gw_one' })
  const cluster = new Proxy(local, {
    get(target, name: keyof Cluster) {
      const value = target[name]
      if (typeof value !== 'function') return value
      return (...args: never[]) => {
        seen.push(`cluster ${name}`)
        return (value as (...args: never[]) => unknown).apply(target, args)
      }
    },
  })
  const plugin: KyselyPlugin = {
    transformQuery({ node }) {
      seen.push(node.kind)
      return node
    },
    transformResult: async ({ result }) => result,
  }
  return {
    cluster,
    clock,
    watch: (database: Kysely<Schema>) => database.withPlugin(plugin),
    async during(work: () => Promise<unknown>): Promise<string[]> {
      seen.length = 0
      await work()
      return [...seen]
    },
  }
}

t.test('every wrong login asks the store and the cluster the same questions, whatever is wrong with it', async t => {
  const { cluster, clock, watch, during } = witness()
  const plain = await openDatabase('sqlite::memory:')
  t.teardown(() => plain.destroy())
  const { begin, enrol, users, factors } = await createIdentity(t, { database: watch(plain), cluster, clock })
  const { code } = await enrol({ name: 'alice', roles: ['operators'] })
  const locked = await enrol({ name: 'locked' })
  await enrol({ name: 'disabled' })
  await users.put(userSchema.parse({ name: 'disabled', disabled: true }))
  await users.put(userSchema.parse({ name: 'no-factors' }))
  await enrol({ name: 'no-codes' })
  await factors.removeFactor('no-codes', 'totp')

  const login = (name: string, proof: Proof, from: string) => async () => {
    const attempt = await begin(name, from)
    t.equal(await attempt.verify(proof, { rememberFactorMs: 60_000 }), false, `${JSON.stringify(name)} ${proof.kind}`)
  }
  for (let i = 0; i < 6; i++) await login('locked', byPassword('guess-guess'), `192.0.2.${i}`)()
  for (let i = 0; i < 6; i++) await login('locked', byBoth(`open sesame${otherCode(locked.code)}`), `192.0.2.${i}`)()

  const wrong: [string, string][] = [
    ['alice', 'guess-guess'],
    ['locked', 'open sesame'],
    ['locked', 'guess-guess'],
    ['disabled', 'open sesame'],
    ['no-factors', 'open sesame'],
    ['nobody', 'open sesame'],
    ["no'body\0", 'open sesame'],
  ]
  const kinds: [string, (text: string) => Proof][] = [
    ['password', byPassword],
    ['password-with-code', text => byBoth(text + code())],
    ['password-with-code', text => byBoth(text + otherCode(code))],
    ['totp', () => byCode(code())],
  ]
  for (const [kind, proofOf] of kinds) {
    const questions: string[][] = []
    for (const [index, [name, text]] of wrong.entries()) {
      questions.push(await during(login(name, proofOf(text), `198.51.100.${index}`)))
    }
    for (const asked of questions) t.same(asked, questions[0], kind)
    t.ok(questions[0]!.length >= 6)
  }

  // With the right password, too, a wrong code asks what a wrong password asks.
  const wrongCode = await during(login('alice', byBoth(`open sesame${otherCode(code)}`), '198.51.100.50'))
  const wrongPassword = await during(login('alice', byBoth(`guess-guess${code()}`), '198.51.100.51'))
  t.same(wrongCode, wrongPassword)
  t.same(await during(login('no-codes', byBoth(`open sesame${code()}`), '198.51.100.52')), wrongPassword)
})
