/** Gateways that are killed again and again while people log in and out leave session records without a gap: nothing missing, nothing double. */

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import { examineAll, START } from '../../../src/evidence/doctor/doctor.ts'
import { systemClock } from '../../../src/shared/clock.ts'
import { verifyLines } from '../../support/audit-copy.ts'
import { recordProblems } from '../../support/record-problems.ts'
import { type SshProcess, startSsh } from '../../support/ssh-client.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { type GatewayProcess, startGatewayProcess } from '../../support/start-gateway-process.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { addWeb01 } from '../../support/web-01.ts'

const KILLS = 3
const PEOPLE = 3
/** After the next start. */
const RIGHT_WITHIN_MS = 60_000

const sshd = await startSshd()
t.teardown(() => sshd.stop())
const gateway = await startTestGateway()
t.teardown(() => gateway.close())
// So that one user can log in as often as it likes.
const alice = await addWeb01(gateway, sshd, { factors: [['password']] })
const { publicKeyPem } = gateway.parts.signer
await gateway.stop()
const { folder } = gateway.config.recording
const auditFile = join(gateway.config.dataFolder, 'audit.jsonl')
const login = `alice+${sshd.account}+web-01`

/** Somebody who logs in again and again until the gateway is gone; `seen` is called whenever the target has answered. */
async function person(at: GatewayProcess['ssh'], stop: AbortSignal, seen: () => void): Promise<void> {
  while (!stop.aborted) {
    const ssh: SshProcess = startSsh(at, login, { password: alice.password }, 'echo here; sleep 0.2')
    await Promise.race([ssh.printed(/here/).then(seen), ssh.ended])
    await ssh.ended
  }
}

t.test(`after ${KILLS} kills each session has one start, one end, one seal and one reason`, async t => {
  for (let kill = 0; kill < KILLS; kill++) {
    const { child, ssh } = await startGatewayProcess(gateway, { workers: 1 + (kill % 2), auditFile })
    t.teardown(() => child.end('SIGKILL'))
    const over = new AbortController()
    t.teardown(() => over.abort())
    const answered = Promise.withResolvers<void>()
    let count = 0
    const people = Array.from({ length: PEOPLE }, () =>
      person(ssh, over.signal, () => {
        if (++count === PEOPLE) answered.resolve()
      }),
    )
    await answered.promise
    // At any moment of what goes on then.
    await once(AbortSignal.timeout(Math.trunc(Math.random() * 1000)), 'abort')
    over.abort()
    await child.end('SIGKILL')
    await Promise.all(people)
  }
  const last = await startGatewayProcess(gateway, { auditFile })
  t.teardown(() => last.child.end('SIGKILL'))
  const database = await openDatabase(gateway.config.database)
  t.teardown(() => database.destroy())
  const place = { database, folder, publicKeyPem }
  let problems = await recordProblems(place)
  for (const begin = performance.now(); problems.length > 0 && performance.now() - begin < RIGHT_WITHIN_MS; ) {
    await once(AbortSignal.timeout(500), 'abort')
    problems = await recordProblems(place)
  }
  t.same(problems, [])
  const doctor = { ...place, clock: systemClock, living: async () => undefined, alteredVersions: async function* () {} }
  const named = await Array.fromAsync(examineAll(doctor, { chainFrom: START, read: { after: '', atMostBytes: 1e9 } }))
  t.same(named, [], 'and the doctor finds nothing')
  const rows = await database.selectFrom('sessions').select('end_reason').execute()
  t.ok(rows.length >= KILLS * PEOPLE, `${rows.length} sessions`)
  await last.child.end('SIGTERM')
  const lines = readFileSync(auditFile, 'utf8').split('\n')
  t.match(await verifyLines(lines, { publicKeyPem }), { ok: true, problems: [], torn: [] }, 'and the copy is whole')
})
