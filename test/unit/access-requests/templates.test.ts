/** Request templates: what is asked for by one, by whom, and that it never gives more than it says, nor than a role offers. */

import fc from 'fast-check'
import t from 'tap'
import type { TypedAsk } from '../../../src/access-requests/choose-offer.ts'
import { fillIn } from '../../../src/access-requests/templates/fill.ts'
import { type RequestTemplate, requestTemplateSchema } from '../../../src/access-requests/templates/request-template.ts'
import { createRequestTemplates } from '../../../src/access-requests/templates/request-templates.ts'
import { matchesPattern, matchesTarget } from '../../../src/policy/match.ts'
import { GatewayError } from '../../../src/shared/errors.ts'
import { LEVELS } from '../../../src/shared/vocabulary.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'
import { role, target } from '../../support/policy-facts.ts'
import { createRequestWorld, OFFER } from '../../support/request-parts.ts'

t.teardown(stopStores)

const HOUR = 3_600_000
const template = (ask: object, name = 'incident'): RequestTemplate => requestTemplateSchema.parse({ name, ask })
const WEB = { target: 'web-01' }

t.test('a template fills in what is not said, and what is said makes it less', async t => {
  const form = template({
    ...{ targets: { labels: { env: 'production' } }, level: 'admin', for: '2h', channels: ['exec', 'shell'] },
    ...{ databases: ['shop_*'], ticket: 'INC-\\d+', reason: 'Incident {ticket}: {reason}' },
  })
  const said = { template: 'incident', reason: ' disk full ', ticket: 'INC-4711' }
  t.strictSame(fillIn(form, said, undefined), {
    ...{ template: 'incident', on: { selector: { labels: { env: 'production' } } } },
    ...{ account: undefined, level: 'admin', role: undefined, channels: ['exec', 'shell'], databases: ['shop_*'] },
    ...{ forMs: 2 * HOUR, ticket: 'INC-4711', reason: 'Incident INC-4711: disk full' },
  })
  const less = { on: WEB, level: 'power', channels: ['exec'], databases: ['shop_eu', 'shop_a*'], forMs: HOUR } as const
  t.match(fillIn(form, { ...said, ...less }, target()), less)
  const wrong: [Partial<TypedAsk>, RegExp][] = [
    [{ on: { target: 'web-02' } }, /is not for web-02, or there is no such target/],
    [{ on: { selector: { names: ['web-01'] } } }, /chooses the targets: name one of them, or none/],
    [{ level: 'system' }, /for the level admin at most/],
    [{ channels: ['exec', 'sftp'] }, /for the channels exec, shell, and not for sftp/],
    [{ databases: ['shop'] }, /for the databases shop_\*, and not for shop/],
    [{ databases: ['*'] }, /and not for \*/],
    [{ forMs: 3 * HOUR }, /for 2h at most/],
    [{ ticket: undefined }, /needs a ticket of the form INC-\\d\+: say --ticket/],
    [{ ticket: 'INC-x' }, /needs a ticket of the form INC-\\d\+\./],
    [{ reason: ' ' }, /needs a reason: say --reason/],
    [{ permanent: true }, /is for a time/],
  ]
  for (const [more, message] of wrong)
    t.throws(() => fillIn(form, { ...said, ...more }, undefined), { code: 'BAD_REQUEST', message })
})

t.test('what a template leaves open is said, or left open', async t => {
  const open = template({ account: 'root' })
  t.throws(() => fillIn(open, {}, undefined), { message: /leaves the target open: name it/ })
  t.match(fillIn(open, { on: WEB, role: 'ops', forMs: HOUR, ticket: 'X-1' }, target()), {
    ...{ on: WEB, account: 'root', role: 'ops', forMs: HOUR, ticket: 'X-1', reason: undefined },
  })
  t.throws(() => fillIn(open, { on: WEB, account: 'www' }, target()), { message: /for the account root, not www/ })
  t.throws(() => fillIn(open, { on: WEB, level: 'basic' }, target()), { message: /account root: say no level/ })
  const planned = template({ target: 'web-01', reason: 'patch day' })
  t.equal(fillIn(planned, {}, undefined).reason, 'patch day')
  t.equal(fillIn(planned, { reason: 'kernel {ticket} $&' }, undefined).reason, 'patch day: kernel {ticket} $&')
  t.throws(() => fillIn(planned, { on: { target: 'web-02' } }, target({ name: 'web-02' })), { message: /web-02/ })
})

t.test('whatever is said beside it, a template asks for no more than it says', async t => {
  const some = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined })
  const names = fc.constantFrom('web-01', 'web-02', 'web-*', '*')
  const databases = some(fc.array(fc.constantFrom('a', 'ab', 'a*', 'ab*', '*'), { minLength: 1, maxLength: 3 }))
  const channels = some(fc.uniqueArray(fc.constantFrom('exec', 'shell', 'sftp'), { minLength: 1 }))
  const hours = some(fc.integer({ min: 1, max: 5 }).map(count => count * HOUR))
  const level = some(fc.constantFrom(...LEVELS))
  const account = some(fc.constantFrom('root', 'www'))
  const where = fc.constantFrom(
    ...[{}, { target: 'web-01' }, { targets: { names: ['web-*'] } }, { targets: { labels: { env: 'p*' } } }],
  )
  const forms = fc
    .tuple(where, fc.record({ databases, channels, level, account, for: hours }))
    .map(([chosen, rest]) => requestTemplateSchema.safeParse({ name: 'x', ask: { ...chosen, ...rest } }))
    .filter(({ success }) => success)
    .map(({ data }) => data!)
  const on = some(
    fc.oneof(
      names.map(name => ({ target: name })),
      names.map(name => ({ selector: { names: [name] } })),
    ),
  )
  const wishes = fc.record({ on, databases, channels, level, account, forMs: hours })
  const targets = [target(), target({ name: 'web-02', labels: {} })]
  let filledIn = 0
  fc.assert(
    fc.property(forms, wishes, (form, wish) => {
      const { ask } = form
      const named = targets.find(({ name }) => wish.on !== undefined && 'target' in wish.on && name === wish.on.target)
      try {
        const filled = fillIn(form, wish, named)
        filledIn++
        const covers = (own: readonly string[] | undefined, got: readonly string[] | undefined) =>
          own === undefined || got?.every(one => own.some(pattern => matchesPattern(pattern, one))) === true
        const chosen = targets.filter(one =>
          'target' in filled.on ? filled.on.target === one.name : matchesTarget(filled.on.selector, one),
        )
        return (
          chosen.every(({ name }) => ask.target === undefined || ask.target === name) &&
          chosen.every(one => ask.targets === undefined || matchesTarget(ask.targets, one)) &&
          covers(ask.databases, filled.databases) &&
          covers(ask.channels, filled.channels) &&
          (ask.account === undefined || filled.account === ask.account) &&
          (ask.level === undefined || LEVELS.indexOf(filled.level!) <= LEVELS.indexOf(ask.level)) &&
          (ask.for === undefined || filled.forMs! <= ask.for)
        )
      } catch (error) {
        return error instanceof GatewayError && error.code === 'BAD_REQUEST'
      }
    }),
    { numRuns: 2000 },
  )
  t.ok(filledIn > 20, `${filledIn} wishes were filled in`)
})

eachStore(t, 'only whoever has a role that offers what a template is for sees and uses it', async (t, store) => {
  const database = await store.open()
  const { requests, roles, targets, as, clock, refused, events } = await createRequestWorld(database)
  const stored = createRequestTemplates({ database, clock })
  const put = async (name: string, ask: object) => stored.put(template(ask, name))
  await targets.put(target({ name: 'db-01', labels: { env: 'test' } }))
  await put('by-account', { account: 'root' })
  await put('by-label', { targets: { labels: { env: 'production' } }, level: 'admin', reason: 'fire' })
  await put('by-name', { target: 'web-01' })
  await put('of-another-level', { level: 'system' })
  await put('of-another-role', { target: 'web-01', role: 'leads' })
  await put('of-another-target', { targets: { names: ['db-01'] } })
  await put('of-no-target', { target: 'gone' })
  const namesFor = async (name: string) => (await requests.templates.usableBy(as(name))).map(one => one.name)
  t.strictSame(await namesFor('alice'), ['by-account', 'by-label', 'by-name'])
  t.strictSame(await namesFor('lee'), [], 'whose role offers nothing')
  t.equal((await requests.templates.list()).length, 7)

  const { request } = await requests.ask(as('alice'), { template: 'by-label' })
  t.match(request.wish, {
    ...{ template: 'by-label', targets: { names: ['web-01'] }, accounts: { levels: ['admin'] }, reason: 'fire' },
  })
  t.match((await events()).at(-1), { kind: 'access-request.asked', data: { template: 'by-label', reason: 'fire' } })
  await t.rejects(requests.ask(as('alice'), { template: 'by-name' }), {
    code: 'BAD_REQUEST',
    message: /needs a reason, as in: ssh alice@gateway request --template by-name root@web-01 --reason/,
  })
  await t.rejects(requests.ask(as('alice'), { template: 'by-name', account: 'www', reason: 'x' }), {
    code: 'CONFLICT',
  })
  for (const name of ['of-another-target', 'of-no-target', 'there-is-none', 'of-another-role'])
    await t.rejects(
      requests.ask(as('alice'), { template: name, reason: 'x' }),
      { code: 'NOT_FOUND', message: `There is no template ${name} that you can use` },
      name,
    )
  t.match(refused.at(-1), { kind: 'access-request.refused', data: { template: 'of-another-role', why: /no role/ } })

  await stored.remove('by-label')
  t.match((await requests.rows.get(request.id))?.state, { is: 'pending' }, 'what was asked by it goes on without it')
  await roles.put(role({ accounts: { names: ['www'] }, onRequest: [{ ...OFFER, accounts: { names: ['www'] } }] }))
  t.strictSame(await namesFor('alice'), ['by-name'], 'as the roles are now')
})
