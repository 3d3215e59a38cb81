import fc from 'fast-check'
import t from 'tap'
import { nextTime, whyNoCron } from '../../../src/rotation/policies/cron.ts'
import {
  CHARACTER_CLASSES,
  charactersOf,
  passwordRuleSchema,
  whyNoPassword,
} from '../../../src/rotation/policies/password-rule.ts'
import { policyOf } from '../../../src/rotation/policies/policies.ts'
import { rotationPolicySchema } from '../../../src/rotation/policies/rotation-policy.ts'
import { sshTarget } from '../../support/identity-parts.ts'

const policy = (name: string, rest: object) => rotationPolicySchema.parse({ name, targets: { names: ['*'] }, ...rest })

t.test('of the policies that select an account the first by name is its own', async t => {
  const web = sshTarget('web-01', {
    labels: { environment: 'production' },
    accounts: [{ name: 'root', level: 'system' }, { name: 'deploy' }],
  })
  const [root, deploy] = web.accounts
  const policies = [
    policy('10-root', { accounts: { names: ['root'] } }),
    policy('20-system', { accounts: { levels: ['system'] } }),
    policy('30-production', { targets: { labels: { environment: 'prod*' } } }),
    policy('40-all', {}),
  ]
  const nameOf = (of: typeof policies, account = root!) => policyOf(of, web, account)?.name
  t.equal(nameOf(policies), '10-root')
  t.equal(nameOf(policies.slice(1)), '20-system')
  t.equal(nameOf(policies, deploy), '30-production', 'without accounts, all are meant')
  t.equal(nameOf([policy('other', { targets: { names: ['db-*'] } })]), undefined)
})

t.test('set times are those of their zone, also where its clocks change', async t => {
  const at = (cron: string, zone: string, after: string) =>
    new Date(nextTime({ cron, zone }, Date.parse(after))!).toISOString()
  t.equal(at('0 3 * * *', 'UTC', '2026-11-27T03:00:00Z'), '2026-11-28T03:00:00.000Z', 'after, not at')
  t.equal(at('0 3 * * sun', 'Europe/Berlin', '2026-11-27T12:00:00Z'), '2026-11-29T02:00:00.000Z')
  t.equal(at('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z'), '2026-03-29T01:00:00.000Z', 'when it was skipped')
  t.equal(at('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z'), '2026-10-25T00:30:00.000Z')
  t.equal(
    at('30 2 * * *', 'Europe/Berlin', '2026-10-25T00:30:00Z'),
    '2026-10-26T01:30:00.000Z',
    'once, when it is repeated',
  )
})

t.test('what is no cron expression is told, whatever it is', async t => {
  for (const good of ['0 3 * * *', '*/15 1-5 * * mon-fri', '0 3 1 1 *', '0 3 29 2 *', '0 3 L * *'])
    t.equal(whyNoCron(good), undefined, good)
  for (const bad of [
    '',
    'daily',
    '@daily',
    '0 0 3 * * *',
    '60 3 * * *',
    '0 3 * * someday',
    '2026-05-01T00:00:00',
    '0  3 * * *',
  ])
    t.match(whyNoCron(bad), /five fields/, bad)
  t.equal(whyNoCron('0 0 31 2 *'), 'it never comes')
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), text => {
      // It answers, and does not throw.
      return ['string', 'undefined'].includes(typeof whyNoCron(text))
    }),
  )
})

t.test('a rule is refused exactly where no password that nobody guesses fits it', async t => {
  const rule = (fields: object) => passwordRuleSchema.parse(fields)
  t.equal(whyNoPassword(rule({})), undefined)
  t.match(whyNoPassword(rule({ forbidden: '0123456789' })), /class digit, and forbids them all/)
  t.match(whyNoPassword(rule({ classes: ['digit'], forbidden: '012345678' })), /a single character can be guessed/)
  t.match(whyNoPassword(rule({ classes: ['digit'], length: 16 })), /16 times one of 10 characters can be guessed/)
  t.equal(whyNoPassword(rule({ classes: ['digit'], length: 25 })), undefined)
  const rules = fc.record({
    length: fc.integer({ min: 16, max: 128 }),
    classes: fc.uniqueArray(fc.constantFrom(...CHARACTER_CLASSES), { minLength: 1 }),
    forbidden: fc.string({ unit: 'grapheme-ascii', maxLength: 90 }),
  })
  fc.assert(
    fc.property(rules, rule => {
      const each = rule.classes.map(name => charactersOf(rule, name))
      if (each.flat().some(character => rule.forbidden.includes(character))) return false
      const bits = rule.length * Math.log2(each.flat().length)
      return (whyNoPassword(rule) === undefined) === (each.every(({ length }) => length > 0) && bits >= 80)
    }),
  )
})
