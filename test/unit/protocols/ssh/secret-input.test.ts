import t from 'tap'
import { secretInputOf } from '../../../../src/protocols/ssh/capture/commands/secret-input.ts'

const ANSIBLE = (sudo: string) =>
  `/bin/sh -c 'sudo ${sudo} /bin/sh -c '"'"'echo BECOME-SUCCESS-abcdef ; /usr/bin/python3'"'"' && sleep 0'`

const CASES: Record<string, string[]> = {
  none: [
    'bash -s',
    'sh',
    '/bin/sh -',
    'bash -euo pipefail -s -- a b',
    'bash --norc -x -s',
    'bash -s 2>&1',
    'bash -s >/tmp/log 2>/tmp/errors',
    'LANG=C bash -s',
    'env LANG=C bash -s',
    'cd /srv && bash -s',
    'cd "$HOME" && umask 077; exec bash -s # go',
    "sh -c 'sh -s'",
    'cat | sh',
    'cat',
    'python3',
    'python3 -u - a b',
    '/usr/bin/python3.11 && sleep 0',
    'perl -',
    'sudo bash -s',
    'sudo -i',
    'sudo -u www -s',
    'sudo -n -S sh',
    'sudo -S -unobody -n sh',
    ANSIBLE('-H -S -n  -u www'),
    // No option and no argument hides a script.
    'bash -s -- --password-stdin',
    'sudo -n python3 - --with-token',
  ],
  'first-line': [
    'sudo -S sh',
    'sudo -kS -u www sh -s',
    'sudo -u www -S python3 -',
    "sudo --prompt='' --stdin bash",
    'cd /tmp && sudo -S sh',
    "sh -c 'sudo -S sh'",
    'sudo -unobody -S sh',
    'sudo --user www --stdin sh',
    'sudo --us www --st sh',
    'sudo LANG=C -S sh',
    '"sudo" -S sh',
    'sudo  "-S" sh',
    'sudo -S -v && sudo bash -s',
    'su',
    '/bin/su - postgres',
    "su -c 'bash -s' www",
    "su - www --command 'python3 -'",
    `su  www -c '/bin/sh -c '"'"'echo BECOME-SUCCESS-abcdef ; /usr/bin/python3'"'"''`,
    ANSIBLE('-H -S  -p "[sudo via ansible, key=abcdef] password:" -u www'),
  ],
  all: [
    'chpasswd',
    'LANG=C chpasswd',
    'chpasswd 2>&1',
    'cd x && chpasswd',
    'sudo sh -c chpasswd',
    'exec chpasswd',
    'env LANG=C chpasswd -e',
    'nohup chpasswd',
    '/usr/sbin/chpasswd -e',
    'sudo -n chpasswd',
    'sudo -u root passwd www',
    "bash -c 'chpasswd'",
    "bash -lc 'cd /; exec chpasswd 2>/dev/null'",
    '(chpasswd)',
    '{ chpasswd; }',
    'if true; then chpasswd; fi',
    'while read -r user; do chpasswd; done',
    'x=$(cat); chpasswd',
    'chpasswd `bash -s`',
    'bash -s "$(cat)"',
    'chpasswd <&0',
    'bash -s; chpasswd',
    'chpasswd; bash -s',
    'tee /dev/null | chpasswd',
    'cat | chpasswd',
    'sudo -S chpasswd',
    'vault login -',
    'kinit alice',
    'cryptsetup luksOpen /dev/sdb1 data -',
    'docker login --username u --password-stdin registry.example',
    'htpasswd -i file user',
    'openssl enc -aes-256-cbc -pass stdin',
    'gpg --batch --passphrase-fd 0 -c',
    'mysql -p',
    'psql',
    'kubectl apply -f -',
    'cat > .env',
    'cat - secret',
    'tar xf -',
    // A file of a script, or a program text, has the input for itself.
    'bash ./setup.sh',
    "python3 -c 'import getpass; getpass.getpass()'",
    'python3 -m getpass',
    'perl -ne 1',
    'sh -c "$COMMAND"',
    'sh $OPTIONS',
    '$SHELL',
    'su -s /usr/sbin/chpasswd www',
    // A shell may be called anything, and anything a shell.
    './sh',
    '~/bin/bash -s',
    '/tmp/python3 -',
    'ssh other bash -s',
    'docker exec -i web sh -s',
    'id',
    '',
    "bash -s 'x",
    // A second password would not be the first line.
    'sudo -k -S true; sudo -k -S sh',
    'bash -s; sudo -S true',
    'cat | sudo -S sh',
  ],
}

for (const [secret, commands] of Object.entries(CASES)) {
  t.test(`${secret} of the standard input of these commands may be a secret`, async t => {
    for (const command of commands) t.equal(secretInputOf(command), secret, command)
  })
}

t.test('a command of any length and depth is read in no time, and hidden', async t => {
  const long = 256 * 1024
  for (const piece of [';', 'sudo ', 'A=b ', 'exec ', '>a ', '2>&1', 'cd;', '\n', '"', "'", '\\', '#\n', '|&'])
    t.equal(secretInputOf(piece.repeat(long / piece.length)), 'all', piece)
})
