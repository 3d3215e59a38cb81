/** A live session is followed as it happens, and ended by a command; both stand in the audit log. */

import { once } from 'node:events'
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { asOwner, cli, withToken } from '../../support/run-cli.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { addWeb01, makeToken, startSession } from '../../support/web-01.ts'

const sshd = await startSshd()
t.teardown(() => sshd.stop())

t.test('a follower sees the beginning, what comes, and the end; the killed client is told', async t => {
  const gateway = await startTestGateway()
  t.teardown(() => gateway.close())
  const alice = await addWeb01(gateway, sshd)
  const ssh = startSession(gateway, alice, sshd.account, 'echo ready; cat')
  await ssh.printed(/ready/)
  const live = await asOwner(gateway, ['session', 'list', '--live', '--json'])
  const [{ id }] = live.json<{ sessions: [{ id: string }] }>().sessions
  t.match(live.json(), { sessions: [{ state: 'active', endedAt: null, endReason: null }] })

  const following = asOwner(gateway, ['session', 'follow', id])
  ssh.stdin.write('a word\n')
  await ssh.printed(/a word/)
  const reader = await makeToken(gateway, 'alice', 'auditor')
  t.match(await withToken(gateway, reader, ['session', 'kill', id]), { exit: 4 }, 'an auditor looks and does not touch')
  t.match(await asOwner(gateway, ['session', 'kill', id]), { exit: 0, stdout: /Told alice's session/ })
  t.match(await ssh.ended, { status: 255, stderr: /an administrator ended the session/ })

  const followed = await following
  t.equal(followed.exit, 0, followed.stderr)
  t.match(followed.stdout, /ready\r\n.*a word\r\n/s)
  t.match(followed.stderr, /The session ended: killed/)
  await gateway.ended(id)
  t.match(await asOwner(gateway, ['session', 'kill', id]), { exit: 1, stderr: /has ended already/ })
  t.match(await asOwner(gateway, ['session', 'follow', id]), { exit: 1, stderr: /replay it/ })
  const config = join(t.testdir({}), 'sallyport.yaml')
  writeFileSync(config, `api: { socket: ${gateway.api.socket} }\n`)
  const byConfig = await cli(['--config', config, 'session', 'follow', id])
  t.match(byConfig, { exit: 1, stderr: /replay it/ }, 'the socket that the configuration names')

  const kinds = (await gateway.parts.audit.list({ session: id })).map(({ kind, actor }) => `${kind} by ${actor}`)
  for (const event of ['recording.followed by owner', 'session.kill-requested by owner'])
    t.ok(kinds.includes(event), event)
})

t.test('a follower who leaves a quiet session leaves nothing open', async t => {
  const gateway = await startTestGateway()
  t.teardown(() => gateway.close())
  const alice = await addWeb01(gateway, sshd)
  const ssh = startSession(gateway, alice, sshd.account, 'echo ready; cat')
  await ssh.printed(/ready/)
  const [row] = await gateway.parts.sessions.list({ state: 'live' })
  const openFiles = () =>
    readdirSync('/proc/self/fd').filter(fd => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).endsWith(row!.recording)
      } catch {
        return false
      }
    }).length
  t.equal(openFiles(), 1, 'the recorder')
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const path = `/v1/sessions/${row!.id}/follow`
    get({ socketPath: gateway.api.socket!, path }).on('response', resolve).on('error', reject)
  })
  await once(response, 'data')
  t.equal(openFiles(), 2, 'and the follower')
  response.destroy()
  while (openFiles() > 1) await new Promise(resolve => setImmediate(resolve))
  await gateway.parts.live.kill(row!.id)
  await ssh.ended
})
