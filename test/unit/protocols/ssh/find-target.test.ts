/** What a client may reach by host and port on a login without a target; what is forbidden takes the same reads and gets the same words as what is not there. */

import t from 'tap'
import { createFindTarget } from '../../../../src/protocols/ssh/jump/find-target.ts'
import type { Access } from '../../../../src/session/access.ts'
import type { Login } from '../../../../src/session/run-login.ts'
import { isRefusal } from '../../../../src/shared/errors.ts'
import { type Target, targetSchema } from '../../../../src/targets/target.ts'
import type { Targets } from '../../../../src/targets/targets.ts'

const target = (name: string, host: string, port = 22) =>
  targetSchema.parse({ name, protocol: 'ssh', host, port, accounts: [{ name: 'root' }, { name: 'alice' }] })

const ALL = [
  target('web-01', '10.0.0.1', 2200),
  target('web-02', 'web-02.internal'),
  target('twin-a', '10.0.0.9'),
  target('twin-b', '10.0.0.9'),
  target('secret', '10.0.0.66'),
  target('Web-02', '10.0.0.7'),
  targetSchema.parse({ name: 'orders', protocol: 'postgres', host: '10.0.0.5', port: 22 }),
]

function parts(
  options: { known?: (target: Target, account?: string) => boolean; over?: boolean; gone?: boolean } = {},
) {
  const reads: string[] = []
  const refused: string[] = []
  const person = { user: 'alice' }
  const known = options.known ?? (({ name }, account) => name !== 'secret' && account !== 'alice')
  const access = {
    async known() {
      reads.push('roles')
      return known
    },
  } as unknown as Access
  const targets = {
    async get(name: string) {
      reads.push('target')
      return ALL.find(one => one.name === name)
    },
    async *pages() {
      reads.push('targets')
      yield ALL.slice(0, 3)
      yield ALL.slice(3)
    },
  } as unknown as Targets
  const login = {
    mayOpen: !options.over,
    person: async () => (options.gone ? undefined : person),
    refused: (what: string, why: string) => refused.push(`${what}: ${why}`),
  } as unknown as Login
  const find = createFindTarget({ targets, access })
  return {
    reads,
    refused,
    async to(host: string, port = 22): Promise<string> {
      const found = await find(login, host, port)
      return isRefusal(found) ? found.message : `${found.target.name}${found.ownAccount ? ', own account' : ''}`
    },
  }
}

t.test('by name, with 22 or the port of the entry, and by address with its port', async t => {
  const { to, refused } = parts()
  t.equal(await to('web-01'), 'web-01')
  t.equal(await to('WEB-01', 2200), 'web-01')
  t.equal(await to('10.0.0.1', 2200), 'web-01')
  t.equal(await to('web-02.internal'), 'web-02')
  t.equal(await to('web-02'), 'web-02', 'this very name, although another one differs by case alone')
  t.match(await to('WEB-02'), /Several targets .* web-02, Web-02/)
  t.match(await to('10.0.0.9'), /Several targets are at this address\. Use one of their names: twin-a, twin-b\./)
  t.equal(refused.length, 2)
})

t.test('whether she has an account of her own name there', async t => {
  t.equal(await parts({ known: () => true }).to('web-01'), 'web-01, own account')
})

t.test('what is forbidden and what is not there: the same words, the same reads; only the audit log knows', async t => {
  const answers: unknown[] = []
  for (const [host, port] of [
    ['secret', 22],
    ['10.0.0.66', 22],
    ['nowhere', 22],
    ['web-01', 23],
    ['10.0.0.1', 22],
    ['orders', 22],
    ['10.0.0.5', 22],
    ['', 22],
    ['../x', 22],
  ] as const) {
    const { to, reads } = parts()
    answers.push({ message: await to(host, port), reads })
  }
  for (const answer of answers) t.same(answer, answers[0])
  const { to, refused } = parts()
  await to('secret')
  await to('nowhere')
  t.same(refused, ['secret:22: no role of the user speaks of it', 'nowhere:22: there is no such target'])
})

t.test('several at one address, of which she may know one, are that one', async t => {
  t.equal(
    await parts({ known: ({ name }, account) => name === 'twin-b' && account === undefined }).to('10.0.0.9'),
    'twin-b',
  )
})

t.test('nothing is opened when the login is over, or its person gone', async t => {
  t.match(await parts({ over: true }).to('web-01'), /The time of this login is over/)
  t.match(await parts({ gone: true }).to('web-01'), /do not exist/)
})
