import t from 'tap'
import { explain } from '../../../src/policy/explain.ts'
import { facts, NOW, role } from '../../support/policy-facts.ts'

const alice = { name: 'alice', disabled: false }
const ask = (wish: Parameters<typeof facts>[0] = {}) => explain({ ...facts(wish), user: alice })

t.test('yes, by which role, and what it gives', async t => {
  t.match(
    ask({ roles: [role({ idle: '5m', channels: ['shell'] }), role({ name: 'b', accounts: { names: ['www'] } })] }),
    {
      allowed: true,
      verdict: 'Yes, by the role ops.',
      given: {
        account: 'root',
        channels: ['shell'],
        endsAt: NOW + 12 * 3_600_000,
        idleMs: 300_000,
        recordInput: false,
        recordExecInput: true,
      },
      roles: [
        {
          role: 'ops',
          holds: true,
          factors: [
            ['publickey', 'totp'],
            ['password', 'totp'],
          ],
        },
        { role: 'b', holds: false },
      ],
    },
  )
})

t.test('what must be said at each login is said', async t => {
  t.equal(ask().given?.mustSay, undefined)
  const demanding = role({ session: { reason: 'required', ticket: 'INC-\\d+' } })
  t.equal(ask({ roles: [demanding] }).given?.mustSay, 'a reason and a ticket of the form INC-\\d+')
})

t.test('no, and which condition of which role fails', async t => {
  const explanation = ask({ roles: [role({ sources: ['10.0.0.0/8'], hours: { days: ['mon'] } })] })
  t.equal(explanation.allowed, false)
  t.equal(explanation.verdict, 'No: the role ops would allow it but for its hours and source.')
  t.equal(explanation.given, undefined)
  t.strictSame(
    explanation.roles[0]!.conditions.filter(({ holds }) => !holds),
    [
      { name: 'hours', holds: false, why: 'mon 00:00 to 24:00 UTC' },
      { name: 'source', holds: false, why: '10.0.0.0/8' },
    ],
  )
})

t.test('unlike the person at the gate, an administrator is told what does not exist', async t => {
  t.match(ask({ login: 'root@nowhere', target: undefined }).verdict, 'No: there is no target nowhere.')
  t.match(ask({ login: 'nobody@web-01' }).verdict, 'No: there is no account nobody on web-01.')
  t.match(explain({ ...facts(), user: undefined }), { allowed: false, verdict: 'There is no such user.' })
  t.match(explain({ ...facts(), user: { ...alice, disabled: true } }), {
    allowed: false,
    verdict: 'alice is disabled.',
  })
})

t.test('without a source, sources are taken as allowed, and the answer says so', async t => {
  const { sourceAddress: _, ...anywhere } = facts({ roles: [role({ sources: ['10.0.0.0/8'] })] })
  const explanation = explain({ ...anywhere, user: alice })
  t.equal(explanation.allowed, true)
  t.strictSame(
    explanation.roles[0]!.conditions.find(({ name }) => name === 'source'),
    { name: 'source', holds: true, why: 'only from 10.0.0.0/8' },
  )
})

t.test('an error while explaining is a no', async t => {
  t.match(ask({ roles: [null as never], heldAtLogin: [] }), { allowed: false, verdict: /could not be evaluated/ })
})
