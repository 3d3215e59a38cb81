/** A worker's requests are what the table has: values, state of the session, how often. */

import { serialize } from 'node:v8'
import t from 'tap'
import { fittingRemote } from '../../../src/gateway/workers/fitting-remote.ts'
import type { GatewayMethods } from '../../../src/gateway/workers/gateway-methods.ts'
import { guardRequests } from '../../../src/gateway/workers/guard-requests.ts'
import { createRemoteBroker } from '../../../src/gateway/workers/remote-broker.ts'
import { REQUESTS, type Request } from '../../../src/gateway/workers/requests.ts'
import { readBackendKeyData } from '../../../src/protocols/postgres/wire/server-answers.ts'
import type { SessionState } from '../../../src/session/broker/create-broker.ts'
import type { LoginClient } from '../../../src/session/protocol.ts'
import { newId } from '../../../src/shared/ids.ts'
import { createLog } from '../../../src/shared/log.ts'
import type { Remote } from '../../../src/shared/rpc.ts'

const SESSION = newId('ses', 0)
const ADDRESS = { account: 'root', target: 'web-01' }
const KEY = Buffer.alloc(44)
const SOURCE = { address: '192.0.2.1', port: 1 }
const CLAIM = { protocol: 'ssh', source: SOURCE, login: 'alice' }
const TOLD = { code: 'TARGET_UNREACHABLE', message: 'It does not answer.' }
const CANCEL = 'postgres-cancel'
/** Values that fit, by request. */
const FITTING: { [M in keyof GatewayMethods]: unknown[] } = {
  admit: [SESSION, CLAIM],
  admitLogin: [SESSION, CLAIM],
  loginOver: [SESSION, true],
  knowsPublicKey: ['alice', KEY],
  stillAllowed: [SESSION],
  loginStillAllowed: [SESSION],
  awaitModerator: [SESSION],
  lease: [SESSION, { client: 'OpenSSH_9.2' }, KEY],
  findHop: [SESSION, 'hop-01'],
  lendForHop: [SESSION, ADDRESS, KEY],
  oneTimeCode: [SESSION, ADDRESS],
  recordingKeys: [SESSION],
  signSeal: [SESSION, Buffer.alloc(100)],
  hopFailed: [SESSION, ADDRESS, TOLD],
  refused: [SESSION, TOLD],
  activate: [SESSION, { processId: 4711 }],
  channelDenied: [SESSION, 'x11', 'the role does not name it'],
  end: [SESSION, { reason: 'client-closed' }],
  release: [SESSION],
  person: [SESSION],
  look: [SESSION, { target: 'web-01' }],
  reachable: [SESSION, ['web-01']],
  findInside: [SESSION, 'web-01', 22],
  favourites: [SESSION],
  toggleFavourite: [SESSION, ADDRESS],
  sessions: [SESSION, { limit: 10 }],
  user: [SESSION],
  notificationChoices: [SESSION],
  chooseNotification: [SESSION, { kind: 'request.asked', channel: 'mail', wanted: false }],
  createToken: [SESSION, { scopes: 'all', validForMs: 1000 }],
  tokens: [SESSION],
  revokeToken: [SESSION, 'laptop'],
  requestTemplates: [SESSION],
  askAccess: [SESSION, { on: { target: 'web-01' }, account: 'root', reason: 'INC-4711' }],
  requests: [SESSION, 'mine', { limit: 100 }],
  showRequest: [SESSION, 'req_1'],
  extendRequest: [SESSION, 'req_1', { forMs: 1000 }],
  decideRequest: [SESSION, 'req_1', { is: 'approve', less: { channels: ['exec'] } }, Buffer.from('123456')],
  endRequest: [SESSION, 'req_1', { is: 'cancel' }],
  proposals: [SESSION, 'mine', { limit: 100 }],
  showProposal: [SESSION, 'prp_1', 0],
  decideProposal: [SESSION, 'prp_1', { is: 'approve' }, Buffer.from('123456')],
  withdrawProposal: [SESSION, 'prp_1'],
  takeCheckOut: [SESSION, ADDRESS, { reason: 'INC-4711' }],
  checkIn: [SESSION, ADDRESS],
  extendCheckOut: [SESSION, ADDRESS, 1000],
  checkOuts: [SESSION],
  watchable: [SESSION],
  watch: [SESSION, SESSION, 'a'.repeat(32)],
  watchNext: [SESSION, 'a'.repeat(32)],
  endWatched: [SESSION, 'a'.repeat(32)],
  leaveWatched: [SESSION, 'a'.repeat(32)],
  leaveQueue: [SESSION, ADDRESS],
  proveCode: [SESSION, Buffer.from('123456')],
  revealCheckOut: [SESSION, { checkOut: 'cho_1' }, Buffer.from('123456'), KEY],
  selfService: [SESSION, 'self-service.command', { command: 'ls' }],
  acquireSlot: [1, SOURCE],
  acquireInnerSlot: [1],
  connectionRefused: [{ protocol: 'ssh', source: '192.0.2.1', code: 'LOGIN_REFUSED', why: 'no' }],
  publish: [CANCEL, KEY],
  subscribe: [CANCEL],
  unsubscribe: [CANCEL],
  remember: ['postgres-tls-refusal:ab', '{}', 1000],
  recall: ['postgres-tls-refusal:ab'],
  forget: ['postgres-tls-refusal:ab'],
  livingGateways: [],
}
const ALL = Object.keys(REQUESTS) as (keyof GatewayMethods)[]
const requestOf = (name: keyof GatewayMethods) => REQUESTS[name] as Request<unknown>

function guarded(state: SessionState | undefined) {
  const done: string[] = []
  const passed: unknown[][] = []
  const refused: string[] = []
  const methods = Object.fromEntries(
    ALL.map(name => [
      name,
      (...values: unknown[]) => {
        done.push(name)
        passed.push(values)
      },
    ]),
  ) as unknown as GatewayMethods
  const guard = guardRequests(
    methods,
    () => state,
    (method, why) => refused.push(`${method}: ${why}`),
  )
  const ask = (name: keyof GatewayMethods, ...values: unknown[]) =>
    (guard.methods[name] as (...all: unknown[]) => unknown)(...values)
  return { done, passed, refused, ask, released: guard.released }
}

t.test('each is carried out in the states that the table names, and refused in every other', async t => {
  for (const name of ALL) {
    const { when, late } = requestOf(name)
    if (when === undefined) continue
    const values = FITTING[name]
    for (const state of ['new', 'asked', 'granted', 'lent', 'login', 'over'] as const) {
      const { done, refused, ask } = guarded(state === 'new' ? undefined : state)
      if (when.includes(state)) {
        ask(name, ...values)
        t.same([done, refused], [[name], []], `${name} of one that is ${state}`)
        continue
      }
      const code = state === 'over' && late ? 'SESSION_ENDED' : 'FORBIDDEN'
      t.throws(() => ask(name, ...values), { code }, `${name} of one that is ${state}`)
      t.same([done.length, refused.length], [0, code === 'FORBIDDEN' ? 1 : 0])
    }
  }
})

t.test('whatever a server, or a pooler, calls the process of a session, the session begins', async t => {
  for (const id of ['00000000', '00001267', '7fffffff', '80000000', 'ffffffff']) {
    const { processId } = readBackendKeyData(Buffer.from(`${id}01020304`, 'hex'))
    const { done, ask } = guarded('lent')
    ask('activate', SESSION, { processId })
    t.same(done, ['activate'], id)
  }
})

t.test('what opens something is asked for as often as it may be, and no more', async t => {
  for (const name of ['lease', 'recordingKeys', 'signSeal', 'lendForHop'] as const) {
    const { when, times } = REQUESTS[name]
    const { done, refused, ask } = guarded(when[0])
    for (let i = 0; i < times; i++) ask(name, ...FITTING[name])
    t.throws(() => ask(name, ...FITTING[name]), { code: 'FORBIDDEN' })
    t.same([done.length, refused.length], [times, 1], name)
  }
})

t.test('no request is without a bound: what is asked for without end is soon not done any more', async t => {
  for (const name of ALL) {
    const { when = [undefined], times, rate } = requestOf(name)
    const state = when[0] === 'new' ? undefined : when[0]
    const { done, ask } = guarded(state)
    const most = times ?? rate.burst
    const began = performance.now()
    for (let i = 0; i < most + 1000; i++) {
      try {
        ask(name, ...FITTING[name])
      } catch (error) {
        t.match(error, { code: times === undefined || most > 10_000 ? 'TOO_MANY_CONNECTIONS' : 'FORBIDDEN' }, name)
        break
      }
    }
    const seconds = (performance.now() - began) / 1000
    t.ok(done.length >= 1 && done.length <= most + (rate?.perSecond ?? 0) * seconds + 1, `${name}: ${done.length}`)
    if (times !== undefined && times < 10_000) t.equal(done.length, times, name)
  }
})

t.test('what waits for its answer is bounded, of one request and of all', async t => {
  const waiting: PromiseWithResolvers<void>[] = []
  const methods = Object.fromEntries(
    ALL.map(name => [
      name,
      () => {
        const one = Promise.withResolvers<void>()
        waiting.push(one)
        return one.promise
      },
    ]),
  ) as unknown as GatewayMethods
  const { methods: asked } = guardRequests(
    methods,
    () => 'login',
    () => t.fail('no alarm'),
  )
  const publish = () => asked.publish(CANCEL, KEY)
  for (let i = 0; i < REQUESTS.publish.atOnce; i++) void publish()
  t.throws(publish, { code: 'TOO_MANY_CONNECTIONS' })
  for (const { resolve } of waiting.splice(0)) resolve()
  await new Promise(setImmediate)
  void publish()
  t.equal(waiting.length, 1, 'and there is room again')

  let sent = 0
  for (let session = 0; session < 200; session++) {
    const id = newId('ses', session)
    try {
      for (let i = 0; i < 100; i++, sent++) void asked.look(id, { target: 'web-01' })
    } catch (error) {
      t.match(error, { code: 'TOO_MANY_CONNECTIONS' })
      break
    }
  }
  t.ok(sent >= 5000 && sent <= 10_000, `${sent} of all sessions`)
})

t.test(
  'whatever stands in the place of a value, no more is done than fits, and the audit log has few words of it',
  async t => {
    const huge = 'x'.repeat(600_000)
    const own = JSON.parse('{"__proto__":{"admin":true},"constructor":"x"}')
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, 'x']))
    const words: unknown[] = ['__proto__', 'constructor', 'toString', huge, '', '\0', null, undefined]
    const numbers: unknown[] = [Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300, 10n]
    const odd = [
      ...words,
      ...numbers,
      Buffer.alloc(600_000),
      own,
      {},
      [],
      many,
      Array(10_001).fill('a'),
      new Set([huge]),
    ]
    for (const name of ALL) {
      const state = requestOf(name).when?.[0]
      const wrong: unknown[] = []
      for (const [at, fitting] of FITTING[name].entries()) {
        for (const value of [...odd, ...inside(fitting, odd)]) {
          const { done, passed, refused, ask } = guarded(state === 'new' ? undefined : state)
          const values = FITTING[name].with(at, value)
          try {
            ask(name, ...values)
          } catch {}
          const isOne = done.length + refused.length === 1
          if (!isOne || serialize(passed).length > 600_000) wrong.push([at, typeof value])
          if ((refused[0]?.length ?? 0) > 400) wrong.push([at, 'many words'])
        }
      }
      t.same(wrong, [], name)
      t.throws(() => guarded(undefined).ask(name, ...FITTING[name], 'one more'), { code: 'FORBIDDEN' }, name)
    }

    /** The same within a record. */
    function* inside(fitting: unknown, values: readonly unknown[]): Iterable<unknown> {
      if (typeof fitting !== 'object' || fitting === null || Buffer.isBuffer(fitting) || Array.isArray(fitting)) return
      for (const name of Object.keys(fitting)) for (const value of values) yield { ...fitting, [name]: value }
      yield { ...fitting, ...own, more: 1 }
    }
  },
)

t.test('values that are no such values are refused', async t => {
  const { done, refused, ask } = guarded('lent')
  const source = { address: '192.0.2.1', port: 1 }
  const attempts: [keyof GatewayMethods, ...unknown[]][] = [
    ['lease', SESSION],
    ['lease', 'ses_1', {}, KEY],
    ['lendForHop', SESSION, { account: 'root', target: '../etc' }, KEY],
    ['lendForHop', SESSION, { ...ADDRESS, more: true }, KEY],
    ['end', SESSION, { reason: 'because' }],
    ['end', SESSION, { reason: 'killed', at: 0 }],
    ['signSeal', SESSION, 'text'],
    ['admit', SESSION, { protocol: 'telnet', source, login: 'alice' }],
    ['publish', 'session-kill', Buffer.from(SESSION)],
    ['publish', 'access-changed', Buffer.alloc(0)],
    ['subscribe', 'lockout'],
    ['remember', 'known-sources:alice', '[]', 1000],
    ['forget', 'failures:alice'],
    ['recall', 'remembered:alice'],
    ['connectionRefused', { protocol: 'ssh', source: 'x'.repeat(100), code: 'LOGIN_REFUSED', why: '' }],
    ['selfService', SESSION, 'credential.rotated', {}],
  ]
  for (const [name, ...values] of attempts) t.throws(() => ask(name, ...values), { code: 'FORBIDDEN' }, name)
  t.same([done.length, refused.length], [0, attempts.length])
})

t.test('what comes late of a session that is over is no alarm, and what would open something is', async t => {
  const { refused, ask, released } = guarded(undefined)
  released(SESSION)
  t.throws(() => ask('stillAllowed', SESSION), { code: 'SESSION_ENDED' })
  t.equal(refused.length, 0)
  t.throws(() => ask('lendForHop', ...FITTING.lendForHop), { code: 'FORBIDDEN' })
  const source = { address: '192.0.2.1', port: 1 }
  t.throws(() => ask('admit', SESSION, { protocol: 'ssh', source, login: 'alice' }), { code: 'FORBIDDEN' })
  t.equal(refused.length, 2, 'nor does it begin again')
})

t.test('whatever a client says, its worker asks for nothing that is an alarm', async t => {
  const { done, refused, ask } = guarded('login')
  const remote = fittingRemote({
    call: async (method: keyof GatewayMethods, ...values: unknown[]) => ask(method, ...values),
    notify: (method: keyof GatewayMethods, ...values: unknown[]) => void ask(method, ...values),
  } as Remote<GatewayMethods>)
  const long = 'x'.repeat(30_000)
  for (const wish of [{ reason: long }, { ticket: long }, { toAge: long }, { forMs: Number.NaN }])
    await t.rejects(remote.call('takeCheckOut', SESSION, ADDRESS, wish), { code: 'BAD_REQUEST' })
  await t.rejects(remote.call('findInside', SESSION, long, 22), { code: 'BAD_REQUEST' })
  await t.rejects(remote.call('revokeToken', SESSION, long), { code: 'BAD_REQUEST', message: /^revokeToken: / })
  remote.notify('loginOver', long)
  t.same([done, refused], [[], []])

  const first = guarded(undefined)
  const { broker } = createRemoteBroker(
    fittingRemote({
      call: async (method: keyof GatewayMethods, ...values: unknown[]) => first.ask(method, ...values),
    } as Remote<GatewayMethods>),
    createLog('silent'),
  )
  const client = {
    ...{ protocol: 'ssh', source: { address: '192.0.2.1', port: 1 }, login: long, database: long },
    loginOver: new AbortController().signal,
  } as unknown as LoginClient
  await broker.admit(SESSION, client).catch(() => undefined)
  t.same([first.done, first.refused], [['admit'], []], 'a name that nobody has is refused and audited as it is')
})
