import t from 'tap'
import { decideLogin, loginFactors } from '../../../src/policy/login.ts'
import { rememberFactorMs, requiredFactors } from '../../../src/policy/required-factors.ts'
import { formatFactorLists, provenEnough } from '../../../src/shared/factor-lists.ts'
import { facts, role, target } from '../../support/policy-facts.ts'

const DEFAULTS = facts().defaults

t.test('the factors are those of the roles that would grant', async t => {
  const strict = role({ factors: [['publickey', 'password', 'totp']] })
  t.strictSame(requiredFactors(facts({ roles: [strict] })), [['publickey', 'password', 'totp']])
  t.strictSame(requiredFactors(facts()), DEFAULTS, 'a role that names none has the defaults')
  const elsewhere = role({ name: 'b', targets: { names: ['db'] }, factors: [['publickey']] })
  t.strictSame(requiredFactors(facts({ roles: [strict, elsewhere] })), [['publickey', 'password', 'totp']])
})

t.test('who matches no role is asked for the defaults: it looks like any login', async t => {
  const open = role({ factors: [['publickey']] })
  for (const wish of [
    { roles: [] },
    { roles: [open], login: 'root@nowhere', target: undefined },
    { roles: [open], login: 'www@web-01' },
    { roles: [open], login: '' },
  ]) {
    t.strictSame(requiredFactors(facts(wish)), DEFAULTS, JSON.stringify(wish))
  }
})

t.test('who may ask for it proves what it will need', async t => {
  const offer = { accounts: { names: ['root'] }, approvers: ['role:leads'] }
  const offering = role({ accounts: { names: [] }, factors: [['publickey']], onRequest: [offer] })
  t.strictSame(requiredFactors(facts({ login: 'root@web-01', roles: [offering] })), [['publickey']])
  t.strictSame(requiredFactors(facts({ login: 'www@web-01', roles: [offering] })), DEFAULTS, 'not offered')
  const outright = role({ name: 'b', factors: [['password', 'totp']] })
  t.strictSame(requiredFactors(facts({ login: 'root@web-01', roles: [offering, outright] })), [['password', 'totp']])
})

t.test('a weaker role that does not hold now or here does not weaken the login', async t => {
  const weakAtNight = role({ name: 'a', factors: [['publickey']], hours: { from: '22:00', to: '04:00' } })
  const weakFromInside = role({ name: 'b', factors: [['password']], sources: ['10.0.0.0/8'] })
  const roles = [weakAtNight, weakFromInside, role()]
  t.strictSame(requiredFactors(facts({ roles })), DEFAULTS)
  t.strictSame(requiredFactors(facts({ roles, from: '10.1.1.1' })), [['password'], ...DEFAULTS])
})

t.test(
  'where hours or sources stand against all roles, their factors are asked for, so that the reason can be told',
  async t => {
    const night = role({ factors: [['publickey']], hours: { from: '22:00', to: '04:00' } })
    t.strictSame(requiredFactors(facts({ roles: [night] })), [['publickey']])
  },
)

t.test('without an account in the login name, every account that may be meant counts', async t => {
  const www = role({ name: 'a', accounts: { names: ['www'] }, factors: [['password']] })
  const root = role({ name: 'b', accounts: { names: ['root'] }, factors: [['publickey']] })
  t.strictSame(requiredFactors(facts({ login: 'web-01', roles: [www, root] })), [['password'], ['publickey']])
  const withDefault = target({ accounts: [{ name: 'root', default: true }, { name: 'www' }] })
  t.strictSame(requiredFactors(facts({ login: 'web-01', roles: [www, root], target: withDefault })), [['publickey']])
})

t.test('empty lists are never given: without any list nobody can log in (warpgate#129)', async t => {
  const broken = { ...role(), factors: [[]] }
  t.strictSame(requiredFactors(facts({ roles: [broken, role({ name: 'b', factors: [['totp']] })] })), [['totp']])
  for (const defaults of [[], [[]]]) {
    t.throws(() => requiredFactors({ ...facts({ roles: [broken] }), defaults }), { code: 'CONFIG_INVALID' })
    t.throws(() => requiredFactors({ ...facts({ roles: [] }), defaults }), { code: 'CONFIG_INVALID' })
  }
})

t.test('one list must be proven in full, and an empty one proves nothing', async t => {
  const proven = new Set(['publickey', 'totp'] as const)
  t.ok(provenEnough([['password'], ['totp', 'publickey']], proven))
  t.notOk(provenEnough([['publickey', 'password']], proven))
  t.notOk(provenEnough([], proven))
  t.notOk(provenEnough([[]], proven))
  t.equal(formatFactorLists([['publickey', 'totp'], ['password']]), 'publickey and totp, or password')
})

t.test('a fresh factor is remembered for the shortest time of the roles that match', async t => {
  const long = role({ name: 'a', rememberFactor: '1h' })
  const short = role({ name: 'b', rememberFactor: '5m' })
  const elsewhere = role({ name: 'c', targets: { names: ['db'] }, rememberFactor: '1s' })
  t.equal(rememberFactorMs(facts({ roles: [long, short, elsewhere] })), 300_000)
  t.equal(rememberFactorMs(facts({ roles: [long, role()] })), 0, 'a role that says nothing remembers nothing')
  t.equal(rememberFactorMs(facts({ roles: [elsewhere] })), 1000, 'for hearing that nothing is allowed there')
  t.equal(rememberFactorMs(facts({ roles: [] })), 0)
})

t.test('a password alone, as a role for a database takes it, is not enough for a login without a target', async t => {
  const weak = role({ name: 'reports', protocols: ['postgres'], factors: [['password']] })
  const byKey = role({ name: 'deploy', factors: [['publickey']] })
  const at = (...roles: ReturnType<typeof role>[]) => ({ ...facts({ roles }), sourceAddress: '198.51.100.7' })
  const granted = (roles: ReturnType<typeof role>[], ...proven: ('publickey' | 'password' | 'totp')[]) =>
    decideLogin(at(...roles), new Set(proven)).granted
  for (const roles of [[weak], [weak, role()]]) {
    t.strictSame(loginFactors(at(...roles)), DEFAULTS, 'as of a stranger')
    t.notOk(granted(roles, 'password'))
    t.match(decideLogin(at(...roles), new Set(['password'])), {
      message: 'Access denied now: needs publickey and totp, or password and totp.',
    })
    t.ok(granted(roles, 'password', 'totp'))
    t.ok(granted(roles, 'publickey', 'totp'), 'also where the one role takes the password alone')
  }
  t.strictSame(loginFactors(at(weak, byKey)), [['publickey']], 'another role says what is enough')
  t.notOk(granted([weak, byKey], 'password'))
  t.ok(granted([weak, byKey], 'publickey'))
  const everywhere = { ...at(weak), defaults: [['password' as const]] }
  t.strictSame(loginFactors(everywhere), [['password']], 'where nothing asks for more, it is what there is')
  t.ok(decideLogin(everywhere, new Set(['password'])).granted)
  const atNight = role({ factors: [['password']], hours: { from: '22:00', to: '04:00' } })
  t.match(decideLogin(at(atNight), new Set(['password', 'totp'])), { granted: false, message: /allowed/ })
})
