import t from 'tap'
import { secretInputOf } from '../../../../src/protocols/ssh/capture/commands/secret-input.ts'

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
    'sudo -unobody -S id',
    'sudo --user www --stdin id',
    'sudo --us www --st id',
    'sudo LANG=C -S id',
    '"sudo" -S id',
    'sudo  "-S" id',
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
    'sudo docker login --password-stdin',
    '/usr/bin/sudo -n chpasswd',
    'gh auth login --with-token',
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
    // A shell may be called anything.
    '/home/www/chpasswd -s',
    './passwd',
    '~/htpasswd -s',
    'sudo /tmp/chpasswd',
    './sudo chpasswd',
    'sudo -S -unobody -n id',
  ],
}

t.test('the standard input of commands that read a password first, or nothing else, is known', async t => {
  for (const [secret, commands] of Object.entries(CASES))
    for (const command of commands) t.equal(secretInputOf(command, false), secret, command)
})

t.test(
  'of a program that only has such an option, one line is the secret, and what it runs after that is to be seen',
  async t => {
    for (const command of [
      'gpg --batch --passphrase-fd 0 -c',
      'gpg --passphrase-fd=0 -c',
      'bash -s -- --password-stdin',
      'sudo -n python3 - --with-token',
      'docker exec -i login sh -s --password-stdin',
      'docker run -i image sh -s --password-stdin',
    ])
      for (const asRoot of [true, false]) t.equal(secretInputOf(command, asRoot), 'first-line', command)
  },
)

t.test('nobody asks root for a password', async t => {
  for (const command of CASES['first-line']!) t.equal(secretInputOf(command, true), 'none', command)
  t.equal(secretInputOf('chpasswd', true), 'all')
})
