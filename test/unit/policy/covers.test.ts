import t from 'tap'
import { authorize } from '../../../src/policy/authorize.ts'
import { covers } from '../../../src/policy/covers.ts'
import type { Grant } from '../../../src/policy/grant.ts'
import { isRefusal } from '../../../src/shared/errors.ts'
import { facts, NOW, role, target } from '../../support/policy-facts.ts'

function grant(wish: Parameters<typeof facts>[0] = {}): Grant {
  const decision = authorize(facts(wish))
  if (isRefusal(decision)) throw new Error(decision.message)
  return decision as Grant
}

t.test('the same decision, later or with more permissions, covers a running session', async t => {
  const running = grant()
  t.ok(covers(grant({ now: NOW + 1000 }), running))
  t.ok(covers(grant({ roles: [role(), role({ name: 'more', channels: ['agent'] })] }), running))
})

t.test('a session of user+target is not covered by a grant for another account', async t => {
  const roles = [role({ accounts: { names: ['root', 'www'] } })]
  const accounts = (chosen: string) => ['root', 'www'].map(name => ({ name, default: name === chosen }))
  const before = grant({ login: 'web-01', roles, target: target({ accounts: accounts('root') }) })
  const after = grant({ login: 'web-01', roles, target: target({ accounts: accounts('www') }) })
  t.notOk(covers(after, before))
})

t.test('a channel that a role lost, or a target that moved, is not covered', async t => {
  t.notOk(covers(grant({ roles: [role({ channels: ['shell'] })] }), grant()))
  t.notOk(covers(grant({ target: target({ host: '192.0.2.99' }) }), grant()))
  t.notOk(covers(grant({ target: target({ port: 2200 }) }), grant()))
})

t.test('a session ends when what it was opened under is not allowed any more, and only then', async t => {
  const [one, two] = ['A', 'B'].map(letter => `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${letter.repeat(43)}`) as [
    string,
    string,
  ]
  const pinned = (...hostKeys: string[]) => grant({ target: target({ hostKeys }) })
  t.ok(covers(pinned(one, two), pinned(one)), 'a key that came')
  t.notOk(covers(pinned(one), pinned(one, two)), 'a key that went may be the one that was shown')
  const account = (login?: string) =>
    grant({ target: target({ accounts: [{ name: 'root', ...(login === undefined ? {} : { login }) }] }) })
  t.notOk(covers(account('toor'), account()))
})
