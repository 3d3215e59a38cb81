/** A gateway that is killed cleans up when it returns; one whose disk is full ends the session and says so, and lives on. */

import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import { readRecording } from '../../../src/recording/store/reader.ts'
import { verifyRecording } from '../../../src/recording/store/verify.ts'
import { startSsh } from '../../support/ssh-client.ts'
import { PAIR, startTestGateway } from '../../support/start-gateway.ts'
import { startGatewayProcess } from '../../support/start-gateway-process.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { addWeb01 } from '../../support/web-01.ts'

const sshd = await startSshd()
t.teardown(() => sshd.stop())

/** A folder with everything a gateway needs; nothing runs on it. */
async function prepare() {
  const gateway = await startTestGateway()
  t.teardown(() => gateway.close())
  const alice = await addWeb01(gateway, sshd)
  const answers = { password: alice.password, code: () => alice.codeAt(Date.now()) }
  await gateway.stop()
  return { gateway, answers, login: `alice+${sshd.account}+web-01` }
}

for (const workers of [1, 2])
  t.test(
    `a gateway that was killed seals its recordings as interrupted when it returns (workers: ${workers})`,
    async t => {
      const { gateway, answers, login } = await prepare()
      const before = await startGatewayProcess(gateway, { workers })
      async function outputOf(path: string): Promise<string> {
        const output: Buffer[] = []
        for await (const event of await readRecording(path, gateway.parts.vault.openBytes)) {
          if (event.type === 'output') output.push(event.bytes)
        }
        return Buffer.concat(output).toString()
      }
      const ssh = startSsh(before.ssh, login, answers, 'echo ready; cat')
      await ssh.printed(/ready/)
      const store = await openDatabase(gateway.config.database)
      t.teardown(() => store.destroy())
      const { id, recording } = await store.selectFrom('sessions').selectAll().executeTakeFirstOrThrow()
      const path = join(gateway.config.recording.folder, recording)
      while (!(await outputOf(path)).includes('ready')) await once(AbortSignal.timeout(50), 'abort')
      await before.child.end('SIGKILL')
      t.equal((await ssh.ended).status, 255)

      const after = await startGatewayProcess(gateway, { workers })
      t.teardown(() => after.child.end('SIGTERM'))
      const read = () => store.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
      let row = await read()
      // Nobody else can use an SQLite store; on a shared one the dead gateway is waited for.
      if (PAIR === 'sqlite-local') t.match(row, { state: 'ended' }, 'the session had ended before new ones began')
      for (; row.recording_hash === null; row = await read()) await once(AbortSignal.timeout(200), 'abort')
      t.match(row, { state: 'ended', end_reason: 'interrupted' })
      t.match(await verifyRecording(path, gateway.parts.signer.publicKeyPem), { ok: true, reason: 'interrupted' })
      t.match(await outputOf(path), 'ready')
    },
  )

t.test('a session that can no longer be recorded ends, and says so; the gateway lives on', async t => {
  const { gateway, answers, login } = await prepare()
  const { child, ssh: at } = await startGatewayProcess(gateway, { fileSizeLimitKiB: 6000 })
  t.teardown(() => child.end('SIGTERM'))
  const ssh = startSsh(at, login, answers, '-tt', 'head -c 20000000 /dev/urandom | base64; sleep 60')
  const result = await ssh.ended
  t.equal(result.status, 255)
  t.match(result.stderr, /the session could no longer be recorded/)
  const store = await openDatabase(gateway.config.database)
  t.teardown(() => store.destroy())
  const read = () => store.selectFrom('sessions').selectAll().executeTakeFirstOrThrow()
  let row = await read()
  for (; row.state !== 'ended'; row = await read()) await once(AbortSignal.timeout(50), 'abort')
  t.equal(row.end_reason, 'recording-failed')
})
