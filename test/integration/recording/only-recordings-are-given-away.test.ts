/** Whoever can write to the folder of recordings reads no other file of the gateway by it, and holds nothing up. */

import { execFileSync } from 'node:child_process'
import { copyFileSync, linkSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { withToken } from '../../support/run-cli.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { addWeb01, makeToken, runSession } from '../../support/web-01.ts'

const sshd = await startSshd()
t.teardown(() => sshd.stop())
const gateway = await startTestGateway()
t.teardown(() => gateway.close())
const alice = await addWeb01(gateway, sshd)
const { session } = await runSession(gateway, alice, sshd.account, 'true')
const { session: other } = await runSession(gateway, alice, sshd.account, 'true')
const auditor = await makeToken(gateway, 'alice', 'auditor')
const { folder } = gateway.config.recording
const pathOf = (id: string) => join(folder, gateway.parts.recordings.fileOf({ session: id }))
const path = pathOf(session)
const day = dirname(path)
const kept = join(gateway.folder, 'kept.rec')
copyFileSync(path, kept)

const secret = join(gateway.folder, 'vault.key')
const asked = (...argv: string[]) => withToken(gateway, auditor, ['session', ...argv])

const PUT: Record<string, () => void> = {
  'a link to the vault key': () => symlinkSync(secret, path),
  'another name of the vault key': () => linkSync(secret, path),
  'a folder that is a link': () => {
    renameSync(day, join(gateway.folder, 'elsewhere'))
    symlinkSync(join(gateway.folder, 'elsewhere'), day)
    copyFileSync(secret, path)
  },
  'a pipe that nobody writes to': () => void execFileSync('mkfifo', [path]),
}

for (const [what, put] of Object.entries(PUT)) {
  t.test(`${what} is no recording`, async t => {
    rmSync(path)
    put()
    const raw = await asked('export', session, '--format', 'raw')
    t.match(raw, { exit: 1, stdout: '', stderr: /in the place of the recording is not one/ })
    t.notMatch(raw.stdout, readFileSync(secret, 'utf8').trim())
    t.match(await asked('export', session, '--format', 'text'), { exit: 1, stdout: '' })
    t.match(await asked('verify', session), { exit: 1, stdout: /^bad/ })
    // Folders that are links are not entered.
    if (!lstatSync(day).isSymbolicLink()) {
      t.match(await asked('verify', folder), { exit: 1, stdout: new RegExp(`bad .*${session}.rec`) })
    }
    rmSync(day, { recursive: true })
    mkdirSync(day)
    for (const to of [path, pathOf(other)]) copyFileSync(kept, to)
    t.match(await asked('export', session, '--format', 'raw'), { exit: 0 })
  })
}

t.test("another session's recording in its place is named by its folder alone", async t => {
  copyFileSync(kept, pathOf(other))
  const { exit, stdout } = await asked('verify', folder)
  t.equal(exit, 1)
  t.match(stdout, new RegExp(`good .*${session}.rec`))
  t.match(stdout, new RegExp(`bad .*${other}.rec\n.*in its place lies the recording of ${session}`))
})
