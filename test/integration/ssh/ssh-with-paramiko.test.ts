/** paramiko, and what is built on it, logs in with a key and a code in place of the password: it knows no other way to give one. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startSshGateway } from '../../support/ssh-gateway.ts'

const PROGRAM = `
import sys
import paramiko
host, port, login, key, code, command = sys.argv[1:]
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
pkey = paramiko.Ed25519Key.from_private_key_file(key)
client.connect(host, int(port), login, pkey=pkey, password=code, allow_agent=False, look_for_keys=False)
_, stdout, _ = client.exec_command(command)
sys.stdout.write(stdout.read().decode())
sys.stdout.flush()
sftp = client.open_sftp()
sftp.listdir('/')
client.close()
`

for (const factors of [
  [
    ['publickey', 'totp'],
    ['password', 'totp'],
  ],
  [
    ['password', 'totp'],
    ['publickey', 'totp'],
  ],
  [['publickey', 'totp']],
] as ('publickey' | 'password' | 'totp')[][][]) {
  t.test(`by ${JSON.stringify(factors)}`, async t => {
    const { gateway, sshd, alice, identityFile, login, run, recorded } = await startSshGateway(t, { role: { factors } })
    const { host, port } = gateway.ssh!
    const paramiko = (code: string) =>
      run('/usr/bin/python3', '-c', PROGRAM, host, String(port), login, identityFile, code, 'echo in').ended
    const result = await paramiko(alice.code())
    t.match(result, { status: 0, stdout: 'in\n' }, result.stderr)
    t.equal((await recorded()).reason, 'client-closed')
    const wrong = await paramiko('no code')
    t.equal(wrong.status, 1)
    t.match(wrong.stderr, /Authentication/)

    // Ansible's own connection by paramiko.
    const folder = join(sshd.folder, 'ansible')
    mkdirSync(folder)
    const inventory = join(folder, 'inventory')
    writeFileSync(
      inventory,
      `web-01 ansible_host=${host} ansible_port=${port} ansible_user=${login} ansible_connection=paramiko_ssh ` +
        `ansible_ssh_private_key_file=${identityFile} ansible_python_interpreter=/usr/bin/python3\n`,
    )
    // A line of an inventory would make a number of it.
    const password = JSON.stringify({ ansible_password: alice.code() })
    const settings = [
      'ANSIBLE_HOST_KEY_CHECKING=False',
      `ANSIBLE_HOME=${folder}`,
      `ANSIBLE_REMOTE_TMP=${folder}/remote`,
    ]
    const ping = await run(
      'env',
      ...settings,
      'ansible',
      '-i',
      inventory,
      '-e',
      password,
      'web-01',
      '-m',
      'raw',
      '-a',
      'echo pong',
    ).ended
    t.match(ping, { status: 0, stdout: /pong/ }, ping.stdout + ping.stderr)
  })
}
