/** Who approves a change of the rules: nobody their own, nobody twice, and nobody what gives themselves more. */

import t from 'tap'
import { userSchema } from '../../../src/identity/user.ts'
import { roleSchema } from '../../../src/policy/role.ts'
import { mayApprove, personsAmong } from '../../../src/proposals/approving.ts'
import type { Content, ContentChange } from '../../../src/proposals/content.ts'
import { givesTo } from '../../../src/proposals/gives.ts'
import { ownGain } from '../../../src/proposals/own-gain.ts'
import { after, approvalsNeeded, type ProposalAct, type ProposedChange } from '../../../src/proposals/proposal.ts'
import { targetSchema } from '../../../src/targets/target.ts'

const user = (name: string, more: object = {}) => userSchema.parse({ name, roles: ['security'], ...more })
const role = (name: string, more: object = {}) =>
  roleSchema.parse({ name, targets: { labels: { env: 'prod' } }, accounts: { levels: ['admin'] }, ...more })
const target = (level: string, env: string) =>
  targetSchema.parse({
    ...{ name: 'web-01', protocol: 'ssh', host: '192.0.2.1', labels: { env } },
    accounts: [{ name: 'root', level }],
  })
const change = (kind: ContentChange['kind'], name: string, before: object | null, then: object | null): Content => ({
  changes: [
    {
      ...{ kind, name, action: 'update', differences: [] },
      before: before && JSON.stringify(before),
      after: then && JSON.stringify(then),
    },
  ],
  restsOn: [],
  scopes: [],
})

t.test('an approver is named, another person than who proposes, and counts once', async t => {
  const facts = { approvers: ['role:security'], proposer: user('bob', { person: '4711' }), approvals: [], now: 0 }
  t.strictSame(mayApprove(facts, user('lee'), undefined), { may: true, rule: 'role:security' })
  t.match(mayApprove(facts, user('lee', { roles: [] }), undefined), { may: false, knows: false })
  t.match(mayApprove(facts, user('bob', { roles: [] }), undefined), { may: false, knows: true }, 'who proposes knows')
  t.match(mayApprove(facts, user('bob-admin', { person: '4711' }), undefined), { may: false, knows: true })
  t.match(mayApprove({ ...facts, approvals: [user('lee')] }, user('lee'), undefined), { may: false })
  t.match(mayApprove(facts, user('lee', { disabled: true }), undefined), { may: false, knows: false })
  t.match(mayApprove(facts, user('lee'), 'It changes the role ops.'), {
    may: false,
    why: /Your own access hangs on it/,
  })
  t.equal(personsAmong([user('lee'), user('lee2', { email: 'x@y' }), user('l', { email: 'X@y' })]), 2)
})

t.test('a person’s access hangs on their entry, their roles, and what those open', async t => {
  const me = {
    users: [user('lee', { person: '1' }), user('lee2', { person: '1', roles: ['ops'] })],
    roles: [role('ops')],
  }
  t.match(ownGain(change('user', 'lee', user('lee'), user('lee', { roles: ['x'] })), me), /who is you/)
  t.match(ownGain(change('user', 'new', null, user('new', { person: '1' })), me), /who is you/, 'a new user of theirs')
  t.match(
    ownGain(change('role', 'ops', role('ops'), role('ops', { idle: '5m' })), me),
    /which you hold/,
    'by another user',
  )
  t.equal(ownGain(change('role', 'dev', null, role('dev')), me), undefined)
  t.match(ownGain(change('target', 'web-01', target('admin', 'test'), target('admin', 'prod')), me), /opens more/)
  t.match(ownGain(change('target', 'web-01', target('basic', 'prod'), target('admin', 'prod')), me), /opens more/)
  t.match(ownGain(change('target', 'web-01', null, target('admin', 'prod')), me), /opens more/)
  t.equal(ownGain(change('target', 'web-01', target('admin', 'prod'), target('admin', 'test')), me), undefined, 'less')
  const other = (more: object) => ({ ...target('admin', 'prod'), ...more })
  for (const more of [
    { host: '192.0.2.66' },
    { port: 2222 },
    { via: 'bastion' },
    { accounts: [{ name: 'root', login: 'domain-admin', level: 'admin', default: false }] },
  ])
    t.match(ownGain(change('target', 'web-01', target('admin', 'prod'), other(more)), me), /opens more/, 'elsewhere')
  t.equal(ownGain(change('target', 'web-01', target('admin', 'prod'), other({ description: 'x' })), me), undefined)
  const offering = {
    ...me,
    roles: [role('ops', { onRequest: [{ accounts: { names: ['x'] }, approvers: ['manager'] }] })],
  }
  t.match(ownGain(change('review-rule', 'all', null, { when: {} }), offering), /rule all/)
  t.equal(ownGain(change('review-rule', 'dev', null, { when: { roles: ['dev'] } }), offering), undefined)
  t.equal(ownGain(change('rotation-policy', 'p', null, {}), me), undefined)
  t.equal(ownGain(change('request-template', 't', null, {}), me), undefined)
})

t.test('what it gives is named, of the users that it concerns', async t => {
  const seen = {
    role: new Map([['ops', JSON.stringify(role('ops', { accounts: {} }))]]),
    target: new Map([['web-01', JSON.stringify(target('admin', 'prod'))]]),
    user: new Map([['alice', JSON.stringify(user('alice', { roles: ['ops'] }))]]),
    ...{ 'rotation-policy': new Map(), 'review-rule': new Map(), 'request-template': new Map() },
  }
  t.strictSame(givesTo(change('role', 'ops', role('ops', { accounts: {} }), role('ops', { api: ['audit'] })), seen), [
    'alice gets root@web-01',
    'alice gets the scope audit',
  ])
  t.strictSame(givesTo(change('role', 'ops', role('ops'), role('ops', { accounts: {} })), seen), [])
})

t.test('a proposal is decided once, and not after its time; a token and the owner need two', async t => {
  const pending: ProposedChange = {
    ...{ id: 'prp_x', proposer: { is: 'owner' }, reason: undefined, digest: '', changes: 1, askedAt: 0, revision: 1 },
    ...{ withdrawn: false, state: { is: 'pending', expiresAt: 100 } },
  }
  const act = (what: string, at: number) => ({ act: what, at, by: 'lee' }) as ProposalAct
  t.match(after(pending, act('apply', 99)), { state: { is: 'applied', by: 'lee' }, revision: 2 })
  t.equal(after(pending, act('apply', 100)), undefined)
  t.equal(after(pending, act('approve', 100)), undefined)
  t.equal(after(pending, act('expire', 99)), undefined)
  t.match(after(pending, act('expire', 100)), { state: { is: 'expired' } })
  for (const end of ['apply', 'deny', 'withdraw', 'outdate'] as const) {
    const over = after(pending, act(end, 50))!
    for (const next of ['approve', 'apply', 'deny', 'withdraw', 'expire', 'outdate'])
      t.equal(after(over, act(next, 200)), undefined, `${next} after ${end}`)
  }
  t.strictSame(
    [
      approvalsNeeded({ is: 'person', user: 'bob' }),
      approvalsNeeded({ is: 'owner' }),
      approvalsNeeded({ is: 'token', user: 'bob', token: 'ci' }),
    ],
    [1, 2, 2],
  )
})
