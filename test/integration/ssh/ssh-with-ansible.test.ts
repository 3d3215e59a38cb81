/** Ansible manages a target through the gateway, with pipelining on and off. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startSshGateway } from '../../support/ssh-gateway.ts'

const { gateway, sshd, options, login, run } = await startSshGateway(t)
const folder = join(sshd.folder, 'ansible')
mkdirSync(folder)

for (const pipelining of [true, false]) {
  t.test(`ping and copy, pipelining ${pipelining ? 'on' : 'off'}`, async t => {
    const inventory = join(folder, `inventory-${pipelining}`)
    const { host, port } = gateway.ssh!
    writeFileSync(
      inventory,
      `web-01 ansible_host=${host} ansible_port=${port} ansible_user=${login} ansible_pipelining=${pipelining} ` +
        `ansible_ssh_common_args='${options.join(' ')}' ansible_python_interpreter=/usr/bin/python3\n`,
    )
    const ansible = (...args: string[]) =>
      run(
        'env',
        `ANSIBLE_HOME=${folder}`,
        `ANSIBLE_SSH_CONTROL_PATH_DIR=${folder}/cp`,
        `ANSIBLE_REMOTE_TMP=${folder}/remote`,
        'ansible',
        '-i',
        inventory,
        'web-01',
        ...args,
      ).ended
    const ping = await ansible('-m', 'ping')
    t.equal(ping.status, 0, ping.stdout + ping.stderr)
    t.match(ping.stdout, /"pong"/)
    const to = join(folder, `copied-${pipelining}`)
    const copy = await ansible('-m', 'copy', '-a', `content=hello dest=${to}`)
    t.equal(copy.status, 0, copy.stdout + copy.stderr)
    t.equal(readFileSync(to, 'utf8'), 'hello')
  })
}
