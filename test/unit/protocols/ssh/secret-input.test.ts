import t from 'tap'
import { secretInputOf } from '../../../../src/protocols/ssh/secret-input.ts'

const ANSIBLE = (sudo: string) =>
  `/bin/sh -c 'sudo ${sudo} /bin/sh -c '"'"'echo BECOME-SUCCESS-abcdef ; /usr/bin/python3'"'"' && sleep 0'`

const CASES: Record<string, string[]> = {
  'first-line': [
    'sudo -S id',
    'sudo -kS -u www id',
    'sudo -u www -S id',
    "sudo --prompt='' --stdin id",
    'cd /tmp && sudo -S ./run',
    "sh -c 'sudo -S id'",
    'su -c id',
    '/bin/su - postgres',
    ANSIBLE('-H -S  -p "[sudo via ansible, key=abcdef] password:" -u www'),
    `/bin/sh -c 'doas -u www /bin/sh -c '"'"'echo BECOME-SUCCESS-abcdef ; python3'"'"''`,
  ],
  all: [
    'chpasswd',
    '/usr/sbin/chpasswd -e',
    'sudo -n chpasswd',
    'sudo -u root passwd www',
    'docker login --username u --password-stdin registry.example',
    'gpg --batch --passphrase-fd 0 -d x.gpg',
  ],
  none: [
    'bash -s',
    'sudo id',
    'sudo -n -S id',
    ANSIBLE('-H -S -n  -u www'),
    'sudo sed -n 1p',
    'echo sudo',
    'resu -S',
    'suspend',
    'cat > su.txt',
    // Something else runs as well: what it reads is to be seen.
    'bash -s; chpasswd',
    'chpasswd < /etc/x; bash -s',
    'bash -s # chpasswd',
    'chpasswd `bash -s`',
    'chpasswd "$(bash -s)"',
  ],
}

t.test('the standard input of commands that read a password first, or nothing else, is known', async t => {
  for (const [secret, commands] of Object.entries(CASES))
    for (const command of commands) t.equal(secretInputOf(command, false), secret, command)
})

t.test('nobody asks root for a password', async t => {
  for (const command of CASES['first-line']!) t.equal(secretInputOf(command, true), 'none', command)
  t.equal(secretInputOf('chpasswd', true), 'all')
})
