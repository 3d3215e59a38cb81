import fc from 'fast-check'
import t from 'tap'
import {
  type Approval,
  type ApprovalFacts,
  type Decider,
  isEnough,
  mayDecide,
  samePerson,
} from '../../../src/access-requests/approvals.ts'
import { offerSchema } from '../../../src/policy/on-request.ts'
import { NOW } from '../../support/policy-facts.ts'

const HOUR = 3_600_000
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEab'
const user = (name: string, roles: string[] = [], more: Partial<Decider> = {}): Decider => ({
  ...{ name, roles, disabled: false, publicKeys: [] },
  ...more,
})
const alice = user('alice', ['ops'], { manager: 'mia' })
const facts = (offer: object, more: Partial<ApprovalFacts> = {}): ApprovalFacts => ({
  offer: offerSchema.parse({ accounts: { names: ['root'] }, ...offer }),
  ...{ requester: alice, stage: 0, stageSince: NOW, approvals: [], now: NOW },
  ...more,
})
const by = (...people: Decider[]): Approval[] => people.map(approver => ({ approver, stage: 0 }))
const may = (given: ApprovalFacts, who: Decider, owes = false) => mayDecide(given, who, owes).may
const anyLead = { approvers: ['role:leads', 'manager', 'user:zoe'] }

t.test('those may decide whom the offer means: by role, by name, or as the manager', async t => {
  t.equal(may(facts(anyLead), user('lee', ['leads'])), true)
  t.equal(may(facts(anyLead), user('zoe')), true)
  t.equal(may(facts(anyLead), user('mia')), true)
  t.equal(may(facts(anyLead, { requester: user('bob') }), user('mia')), false, "another one's manager")
  t.equal(may(facts(anyLead), user('eve', ['ops'])), false)
  t.equal(may(facts(anyLead), user('lee', ['leads'], { disabled: true })), false)
  t.equal(may(facts(anyLead, { requester: user('alice') }), user('undefined')), false, 'nobody is the manager')
})

t.test('nobody decides on what they ask for, by whichever of their users', async t => {
  const asLead = (more: Partial<Decider>) => user('alice-adm', ['leads'], more)
  const requester = (more: Partial<Decider>) => facts(anyLead, { requester: user('alice', ['leads'], more) })
  t.equal(may(requester({}), user('alice', ['leads'])), false)
  t.equal(may(requester({ person: '4711' }), asLead({ person: '4711' })), false)
  t.equal(may(requester({ email: 'Alice@example.com' }), asLead({ email: 'alice@example.com ' })), false)
  t.equal(may(requester({}), asLead({})), true, 'of whom nothing says that they are one')
  t.equal(may(requester({ person: '4711' }), asLead({ person: '4712' })), true)
})

t.test('a key that two users have makes them one person', async t => {
  const { generateKeyPairSync } = await import('node:crypto')
  const raw = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)
  const text = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes])
  const line = `ssh-ed25519 ${Buffer.concat([text(Buffer.from('ssh-ed25519')), text(raw)]).toString('base64')}`
  t.equal(samePerson(user('a', [], { publicKeys: [`${line} laptop`] }), user('b', [], { publicKeys: [line] })), true)
  t.equal(samePerson(user('a', [], { publicKeys: [line] }), user('b', [], { publicKeys: [KEY] })), false)
})

t.test('one person is one, however their directory or files write them', async t => {
  const same = (one: Partial<Decider>, other: Partial<Decider>) =>
    samePerson(user('a', [], one), user('b', [], other)) && samePerson(user('b', [], other), user('a', [], one))
  t.ok(same({ person: 'Alice@Example.com' }, { person: 'alice@example.com' }))
  t.ok(same({ person: 'alice@example.com' }, { email: ' Alice@EXAMPLE.com. ' }), 'named by the address')
  t.ok(same({ email: 'jos\u00e9@example.com' }, { email: 'JOSE\u0301@example.com' }))
  t.ok(same({ email: 'gro\u00dfe@example.com' }, { email: 'GROSSE@example.com' }))
  t.ok(same({ email: '\uff41lice@example.com' }, { email: 'al\u200bi\u00adce@example.com' }))
  t.ok(same({ email: 'x@b\u00fccher.example' }, { email: 'x@xn--bcher-kva.example' }))
  t.ok(samePerson(user('Alice'), user('alice')))
  t.ok(samePerson(user('alice'), user('alice-adm', [], { person: 'ALICE' })), 'named by the other user')
  t.notOk(same({ person: '1' }, { person: '2' }))
  t.notOk(same({ email: 'a@example.com' }, { email: 'a@example.org' }))
  t.notOk(same({ email: '' }, { email: ' ' }), 'nothing is nobody')
  t.notOk(same({}, {}))
})

t.test('whoever has access by the word of the one who asks does not decide, nor outside of their hours', async t => {
  t.equal(may(facts(anyLead), user('lee', ['leads']), true), false)
  const workingHours = { days: ['wed' as const], from: '08:00', to: '12:00', zone: 'UTC' }
  const lee = user('lee', ['leads'], { workingHours })
  t.equal(may(facts(anyLead), lee), false, 'at noon they are over')
  t.equal(may(facts(anyLead, { now: NOW - 1 }), lee), true)
  const night = { days: ['sun' as const], from: '02:15', to: '03:15', zone: 'Europe/Berlin' }
  const lou = user('lou', ['leads'], { workingHours: night })
  const at = (time: string) => may(facts(anyLead, { now: Date.parse(time) }), lou)
  t.same([at('2026-03-29T00:59Z'), at('2026-03-29T01:00Z'), at('2026-03-29T01:15Z')], [false, true, false], 'skipped')
  t.same([at('2026-10-25T00:15Z'), at('2026-10-25T01:30Z'), at('2026-10-25T02:15Z')], [true, true, false], 'twice')
})

t.test('as many as the group says, and of all groups, each for one place', async t => {
  const two = { stages: [{ groups: [{ of: ['role:leads'], count: 2 }] }] }
  const [lee, lou] = [user('lee', ['leads']), user('lou', ['leads'])]
  t.equal(isEnough(facts(two, { approvals: by(lee) })), false)
  t.equal(isEnough(facts(two, { approvals: by(lee, lou) })), true)
  t.equal(isEnough(facts(two, { approvals: by(lee, { ...lou, disabled: true }) })), false, 'disabled meanwhile')
  t.equal(isEnough(facts(two, { approvals: by(lee, { ...lou, roles: [] }) })), false, 'no lead any more')
  t.equal(isEnough(facts(two, { approvals: [...by(lee), { approver: undefined, stage: 0 }] })), false)
  const both = { stages: [{ groups: [{ of: ['role:leads'] }, { of: ['role:security'] }] }] }
  const sam = user('sam', ['security', 'leads'])
  t.equal(isEnough(facts(both, { approvals: by(sam) })), false, 'one person is not two')
  t.equal(isEnough(facts(both, { approvals: by(sam, lee) })), true)
  t.equal(isEnough(facts(both, { approvals: by(lee, sam) })), true)
  t.equal(isEnough(facts(both, { approvals: by(lee, lou) })), false)
})

t.test('a step that nobody decided in time may be decided by those above as well', async t => {
  const offer = { stages: [{ groups: [{ of: ['role:leads'] }], within: '1h', escalateTo: ['role:heads'] }] }
  const hal = user('hal', ['heads'])
  t.equal(may(facts(offer), hal), false)
  t.equal(may(facts(offer, { now: NOW + HOUR - 1 }), hal), false)
  t.equal(may(facts(offer, { now: NOW + HOUR }), hal), true)
  t.equal(isEnough(facts(offer, { now: NOW + HOUR, approvals: by(hal) })), true)
})

t.test('one person approves once in all steps', async t => {
  const offer = { stages: [{ groups: [{ of: ['role:leads'] }] }, { groups: [{ of: ['role:leads'] }] }] }
  const second = facts(offer, { stage: 1, approvals: by(user('lee', ['leads'], { person: '1' })) })
  t.equal(may(second, user('lee', ['leads'])), false)
  t.equal(may(second, user('lee-adm', ['leads'], { person: '1' })), false)
  t.equal(may(second, user('lou', ['leads'])), true)
})

t.test('property: whatever the order of the approvals, the same are enough; and one less is never more', async () => {
  const roles = ['leads', 'security', 'heads']
  const people = fc.uniqueArray(
    fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd', 'e'), roles: fc.subarray(roles) }),
    { selector: ({ name }) => name, maxLength: 5 },
  )
  const groups = fc.array(
    fc.record({
      of: fc.subarray(
        roles.map(role => `role:${role}`),
        { minLength: 1 },
      ),
      count: fc.integer({ min: 1, max: 2 }),
    }),
    { minLength: 1, maxLength: 3 },
  )
  fc.assert(
    fc.property(people, groups, (some, wanted) => {
      const deciders = some.map(({ name, roles }) => user(name, roles))
      const enough = (list: Decider[]) => isEnough(facts({ stages: [{ groups: wanted }] }, { approvals: by(...list) }))
      const all = enough(deciders)
      const places = wanted.flatMap(({ of, count }) => Array.from({ length: count }, () => of))
      const fits = (at: number, left: Decider[]): boolean =>
        at === places.length ||
        left.some(
          one =>
            one.roles.some(role => places[at]!.includes(`role:${role}`)) &&
            fits(
              at + 1,
              left.filter(other => other !== one),
            ),
        )
      return all === enough(deciders.toReversed()) && all === fits(0, deciders) && (all || !enough(deciders.slice(1)))
    }),
    { numRuns: 1000 },
  )
})
