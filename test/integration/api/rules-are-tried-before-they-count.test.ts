/** Rules are tried before they count: on recorded sessions. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { SimulationAnswer } from '../../../src/api/routes/simulate.ts'
import { newId } from '../../../src/shared/ids.ts'
import { asOwner, withToken } from '../../support/run-cli.ts'
import { startTestGateway } from '../../support/start-gateway.ts'

const RESOURCES = `
- { kind: role, name: ops, targets: { names: [web-*] }, accounts: { levels: [admin] } }
- { kind: user, name: alice, roles: [ops] }
- { kind: target, name: web-01, protocol: ssh, host: 192.0.2.1, accounts: [{ name: root, level: admin }] }
`

const gateway = await startTestGateway()
t.teardown(() => gateway.close())
const owner = (argv: string[], stdin?: string) => asOwner(gateway, argv, stdin === undefined ? {} : { stdin })
const fileOf = (name: string, text: string) => {
  const file = join(gateway.folder, name)
  writeFileSync(file, text)
  return file
}

await owner(['apply', '-f', '-'], RESOURCES)
const { database } = gateway.parts
for (const daysAgo of [1, 2, 40]) {
  const startedAt = gateway.clock.now() - daysAgo * 86_400_000
  await database
    .insertInto('sessions')
    .values({
      ...{ id: newId('ses', startedAt), gateway: 'gw_before', protocol: 'ssh', user: 'alice', account: 'root' },
      ...{
        target: 'web-01',
        role: 'ops',
        request: null,
        source: '198.51.100.7',
        state: 'ended',
        started_at: startedAt,
      },
      ...{ ended_at: startedAt + 60_000, end_reason: 'client-closed', recording: 'x', recording_hash: null },
      ...{ recording_bytes: 0, details: '{}' },
    })
    .execute()
}
const stricter = fileOf(
  'new-roles.yaml',
  RESOURCES.replace('levels: [admin] }', 'levels: [admin] }, sources: [10.0.0.0/8]').split('\n')[1]!,
)

t.test('simulate names the sessions that new roles would have refused, and says what it cannot know', async t => {
  const before = await owner(['role', 'list', '--json'])
  const { exit, stdout } = await owner(['simulate', '-f', stricter])
  t.equal(exit, 1)
  t.match(stdout, /^2 of the 2 sessions from .* would have been refused\./)
  t.match(stdout, /alice +root@web-01 +refused +the role ops would allow it but for its source/)
  t.match(stdout, /What no recorded session says, and so is not in this:\n {2}- Factors: /)
  const all = await owner(['simulate', '-f', stricter, '--since', '60d', '--limit', '1', '--json'])
  t.match(all.json<SimulationAnswer>(), {
    sessions: 3,
    counts: { refused: 3 },
    listed: [{ outcome: 'refused', onRequest: false }],
  })
  const same = await owner(['simulate', '-f', '-'], RESOURCES)
  t.equal(same.exit, 0)
  t.match(
    same.stdout,
    /^None of the 2 sessions .* would have been refused\.\nchanged resources +0\nas before +2, of which the files touch 0/,
  )
  t.equal((await owner(['role', 'list', '--json'])).stdout, before.stdout, 'nothing was changed')
  const wrong = await owner(['simulate', '-f', '-'], '{ kind: user, name: bob, roles: [nobody] }')
  t.equal(wrong.exit, 1)
  t.match(wrong.stderr, /stdin:1:\d+: There is no role nobody/)
})

t.test('a token with the scope simulate may do that, and one with read may not', async t => {
  const ca = fileOf('gateway.crt', (await owner(['key', 'certificate'])).stdout)
  const made = async (scope: string) => {
    const { stdout } = await owner(['token', 'create', scope, '--user', 'alice', '--scope', scope, '--json'])
    return { token: (JSON.parse(stdout) as { token: string }).token, ca }
  }
  t.equal((await withToken(gateway, await made('simulate'), ['simulate', '-f', stricter])).exit, 1)
  t.equal((await withToken(gateway, await made('read'), ['simulate', '-f', stricter])).exit, 4)
})
