import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { authorize } from '../../../src/policy/authorize.ts'
import { explain } from '../../../src/policy/explain.ts'
import type { Grant } from '../../../src/policy/grant.ts'
import { reachableAmong } from '../../../src/policy/reachable.ts'
import { requiredFactors } from '../../../src/policy/required-factors.ts'
import { type Role, type RoleInput, roleSchema } from '../../../src/policy/role.ts'
import { channelNames, type ProtocolName, protocolNames } from '../../../src/protocols/registered.ts'
import { isRefusal } from '../../../src/shared/errors.ts'
import { FACTORS, type Factor } from '../../../src/shared/factors.ts'
import { LEVELS } from '../../../src/shared/vocabulary.ts'
import type { Target } from '../../../src/targets/target.ts'
import { facts, NOW, target } from '../../support/policy-facts.ts'

const NAMES = ['root', 'www', 'dba']
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const time = fc.constantFrom('00:00', '08:00', '11:59', '12:00', '12:01', '18:00', '23:59')

/** Mostly `likely`, so that about half of the requests are granted; `others` so that every condition fails now and then. */
const mostly = <T>(likely: T, others: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(likely) }, { weight: 1, arbitrary: others })

const anyRole = (name: string): fc.Arbitrary<Role> =>
  fc
    .record({
      targets: fc.record({
        names: mostly<string[] | undefined>(['web-*'], optional(fc.subarray(['web-01', 'db', '*']))),
        labels: optional(
          fc.constantFrom<Record<string, string>>({}, { env: 'production' }, { env: 'test' }, { env: '*' }),
        ),
      }),
      accounts: fc.record({
        names: mostly<string[] | undefined>(['root', 'www'], optional(fc.subarray(NAMES))),
        levels: optional(fc.subarray([...LEVELS])),
      }),
      protocols: mostly<ProtocolName[]>([...protocolNames()], fc.subarray([...protocolNames()], { minLength: 1 })),
      channels: fc.subarray([...channelNames()]),
      hours: mostly<RoleInput['hours']>(
        undefined,
        fc
          .tuple(time, time)
          .filter(([from, to]) => from !== to)
          .map(([from, to]) => ({ from, to, zone: 'UTC' })),
      ),
      sources: mostly<string[] | undefined>(
        undefined,
        fc.subarray(['198.51.100.0/24', '10.0.0.0/8', '::/0'], { minLength: 1 }),
      ),
      factors: optional(fc.array(fc.subarray([...FACTORS], { minLength: 1 }), { minLength: 1, maxLength: 3 })),
      maxSession: fc.constantFrom('1m', '1h', '12h'),
      idle: optional(fc.constantFrom('1m', '1h')),
      recordInput: fc.boolean(),
      recordExecInput: fc.boolean(),
      execOutputLimit: optional(fc.constantFrom('none', '1B', '2MiB')),
      recording: fc.constantFrom('within-bound' as const, 'before-relay' as const),
    })
    .map(input => roleSchema.parse(JSON.parse(JSON.stringify({ name, ...input }))))

const wish = fc.record({
  roles: fc.tuple(anyRole('a'), anyRole('b'), anyRole('c')),
  login: mostly(
    'root@web-01',
    fc.constantFrom('www@web-01', 'dba@web-01', 'nobody@web-01', 'web-01', 'root@other', ''),
  ),
  protocol: mostly<ProtocolName>('ssh', fc.constant('postgres')),
  proven: mostly<Factor[]>([...FACTORS], fc.subarray([...FACTORS])),
  from: mostly('198.51.100.7', fc.constantFrom('::ffff:10.0.0.1', '2001:db8::1', 'not an address')),
  target: mostly<Target | undefined>(target(), fc.constantFrom(target({ labels: { env: 'test' } }), undefined)),
  now: fc.integer({ min: NOW - 86_400_000, max: NOW + 86_400_000 }),
})

const decide = (value: Parameters<typeof facts>[0]) => authorize(facts(value))
const terms = (grant: Grant) => ({
  account: grant.account.name,
  role: grant.role,
  endsAt: grant.endsAt,
  idleMs: grant.idleMs,
  recordInput: grant.recordInput,
  recordExecInput: grant.recordExecInput,
  execOutputLimitBytes: grant.execOutputLimitBytes,
  recording: grant.recording,
  channels: channelNames().filter(channel => grant.allows(channel)),
})
const isGrant = (value: unknown): value is Grant => !isRefusal(value)

t.test('the requests of these properties are granted often and denied often', async t => {
  const granted = fc.sample(wish, 300).filter(value => isGrant(decide(value))).length
  t.ok(granted > 60 && granted < 240, `${granted} of 300`)
})

t.test('property: no roles, or none that is still held, never give a grant', async () => {
  fc.assert(fc.property(wish, value => isRefusal(decide({ ...value, roles: [] }))))
  fc.assert(fc.property(wish, value => isRefusal(decide({ ...value, heldAtLogin: [] }))))
})

t.test('property: nothing proven never gives a grant', async () => {
  fc.assert(fc.property(wish, value => isRefusal(decide({ ...value, proven: [] }))))
})

t.test('property: a role that does not hold changes nothing', async () => {
  fc.assert(
    fc.property(wish, value => {
      const all = decide(value)
      const named = value.login.includes('@')
      fc.pre(named && isGrant(all))
      const granting = (all as Grant).role.split(',')
      const alone = decide({ ...value, roles: value.roles.filter(({ name }) => granting.includes(name)) })
      return isGrant(alone) && isDeepStrictEqual(terms(alone), terms(all as Grant))
    }),
  )
})

t.test(
  'property: another role never takes a grant away, and the order of roles does not matter to what is allowed',
  async () => {
    fc.assert(
      fc.property(wish, value => {
        fc.pre(value.login.includes('@'))
        const [first, ...others] = value.roles
        if (isGrant(decide({ ...value, roles: others }))) return isGrant(decide(value))
        return isGrant(decide(value)) === isGrant(decide({ ...value, roles: [...others, first] }))
      }),
    )
  },
)

t.test('property: every permission, and every limit, is one of a role that holds by itself', async () => {
  fc.assert(
    fc.property(wish, value => {
      const all = decide(value)
      if (!isGrant(all)) return true
      const login = `${all.account.name}@web-01`
      const each = all.role
        .split(',')
        .map(name => decide({ ...value, login, roles: value.roles.filter(one => one.name === name) }))
      if (!each.every(isGrant)) return false
      const channels = terms(all).channels
      return (
        channels.every(channel => each.some(one => one.allows(channel))) &&
        each.every(one => all.endsAt <= one.endsAt && (one.idleMs === undefined || all.idleMs! <= one.idleMs)) &&
        all.recordInput === each.some(one => one.recordInput) &&
        all.recordExecInput === each.some(one => one.recordExecInput) &&
        all.execOutputLimitBytes === Math.max(...each.map(one => one.execOutputLimitBytes)) &&
        (all.recording === 'before-relay') === each.some(one => one.recording === 'before-relay') &&
        all.endsAt > value.now
      )
    }),
    { numRuns: 300 },
  )
})

t.test('property: explain says yes just when the request is granted with every factor proven', async () => {
  fc.assert(
    fc.property(wish, value => {
      const proven = facts({ ...value, proven: [...FACTORS] })
      const { allowed, given } = explain({ ...proven, user: { name: 'alice', disabled: false } })
      const decision = authorize(proven)
      return allowed === isGrant(decision) && given?.endsAt === (isGrant(decision) ? decision.endsAt : undefined)
    }),
    { numRuns: 300 },
  )
})

t.test('property: what is asked for before login is enough after it, and never nothing', async () => {
  fc.assert(
    fc.property(wish, fc.nat(), (value, choice) => {
      const lists = requiredFactors(facts(value))
      if (lists.length === 0 || lists.some(list => list.length === 0)) return false
      const everything = decide({ ...value, proven: [...FACTORS] })
      fc.pre(isGrant(everything))
      return isGrant(decide({ ...value, proven: [...lists[choice % lists.length]!] }))
    }),
    { numRuns: 300 },
  )
})

t.test('property: what is listed as reachable is what would be granted, account by account', async () => {
  fc.assert(
    fc.property(wish, value => {
      const { roles, defaults, now, target: asked, sourceAddress, principal } = facts(value)
      const listed = reachableAmong({ roles, defaults, now, sourceAddress }, principal.proven)(asked ? [asked] : [])
      const granted = (asked?.accounts ?? []).filter(({ name }) =>
        isGrant(decide({ ...value, protocol: asked!.protocol, login: `${name}@${asked!.name}` })),
      )
      return isDeepStrictEqual(
        listed.map(({ account }) => account),
        granted.map(({ name }) => name),
      )
    }),
  )
})
