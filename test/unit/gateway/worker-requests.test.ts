/** A worker's requests are what the table has: values, state of the session, how often. */

import t from 'tap'
import { fittingRemote } from '../../../src/gateway/workers/fitting-remote.ts'
import type { GatewayMethods } from '../../../src/gateway/workers/gateway-methods.ts'
import { guardRequests } from '../../../src/gateway/workers/guard-requests.ts'
import { createRemoteBroker } from '../../../src/gateway/workers/remote-broker.ts'
import { REQUESTS } from '../../../src/gateway/workers/requests.ts'
import type { SessionState } from '../../../src/session/broker/create-broker.ts'
import type { LoginClient } from '../../../src/session/protocol.ts'
import { newId } from '../../../src/shared/ids.ts'
import { createLog } from '../../../src/shared/log.ts'
import type { Remote } from '../../../src/shared/rpc.ts'

const SESSION = newId('ses', 0)
const ADDRESS = { account: 'root', target: 'web-01' }
const KEY = Buffer.alloc(44)
/** Values that fit, by request. */
const FITTING: { [M in keyof GatewayMethods]?: unknown[] } = {
  stillAllowed: [SESSION],
  lease: [SESSION, { client: 'OpenSSH_9.2' }, KEY],
  lendForHop: [SESSION, ADDRESS, KEY],
  oneTimeCode: [SESSION, ADDRESS],
  recordingKeys: [SESSION],
  signSeal: [SESSION, Buffer.alloc(100)],
  end: [SESSION, { reason: 'client-closed' }],
  createToken: [SESSION, { scopes: 'all', validForMs: 1000 }],
  revealCheckOut: [SESSION, { checkOut: 'cho_1' }, Buffer.from('123456'), KEY],
}

function guarded(state: SessionState | undefined) {
  const done: string[] = []
  const refused: string[] = []
  const methods = Object.fromEntries(
    Object.keys(REQUESTS).map(name => [name, () => void done.push(name)]),
  ) as unknown as GatewayMethods
  const guard = guardRequests(
    methods,
    () => state,
    (method, why) => refused.push(`${method}: ${why}`),
  )
  const ask = (name: keyof GatewayMethods, ...values: unknown[]) =>
    (guard.methods[name] as (...all: unknown[]) => unknown)(...values)
  return { done, refused, ask, released: guard.released }
}

t.test('each is carried out in the states that the table names, and refused in every other', async t => {
  for (const [name, values] of Object.entries(FITTING) as [keyof GatewayMethods, unknown[]][]) {
    const { when, late } = REQUESTS[name] as { when: readonly string[]; late?: true }
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

t.test('what opens something is asked for as often as it may be, and no more', async t => {
  for (const name of ['lease', 'recordingKeys', 'signSeal', 'lendForHop'] as const) {
    const { when, times } = REQUESTS[name]
    const { done, refused, ask } = guarded(when[0])
    for (let i = 0; i < times; i++) ask(name, ...FITTING[name]!)
    t.throws(() => ask(name, ...FITTING[name]!), { code: 'FORBIDDEN' })
    t.same([done.length, refused.length], [times, 1], name)
  }
})

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
  t.throws(() => ask('lendForHop', ...FITTING.lendForHop!), { code: 'FORBIDDEN' })
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
