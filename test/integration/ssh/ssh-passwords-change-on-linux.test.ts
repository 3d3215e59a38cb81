/** The connector `ssh-password` on Linux hosts as there are, behind a real sshd with PAM and sudo: what it changes, and what the host may answer. */

import { readFileSync, writeFileSync } from 'node:fs'
import { watch } from 'node:fs/promises'
import { basename, join } from 'node:path'
import t from 'tap'
import { sshPassword } from '../../../src/protocols/ssh/rotation/ssh-password.ts'
import { generateKeyPair } from '../../../src/protocols/ssh/transport/generate-key-pair.ts'
import type { AccountLogin } from '../../../src/session/connector.ts'
import { Secret } from '../../../src/shared/secret.ts'
import type { CredentialMaterial } from '../../../src/vault/lease.ts'
import { directDialer } from '../../support/direct-dialer.ts'
import { startLinuxHost, whyNoLinuxHost } from '../../support/start-linux-host.ts'

const FIRST = 'the First one 1!'
const SECOND = 'Quite2other/words'
const QUOTED = ' a"\'$x: \\ ü#!§xY9%s `id`;& '

const MAY_CHPASSWD = '(root) /usr/sbin/chpasswd'
const password = (text: string) => ({ kind: 'password', password: new Secret(text) }) as const

/** Resolves when there is a file of this name. */
async function appears(folder: string, name: string, signal: AbortSignal): Promise<void> {
  for await (const { filename } of watch(folder, { signal })) if (filename === name) return
}

const skip = whyNoLinuxHost() ?? false
t.test('a Linux host', { skip }, async t => {
  const host = await startLinuxHost({
    accounts: [
      ...['plain', 'other', 'expired'].map(name => ({ name, password: FIRST })),
      { name: 'free', password: FIRST, sudo: `(root) NOPASSWD: /usr/sbin/chpasswd` },
      ...['asked', 'always', 'term'].map(name => ({ name, password: FIRST, sudo: MAY_CHPASSWD })),
      { name: 'nologin', password: FIRST, shell: '/usr/sbin/nologin' },
      { name: 'restricted', password: FIRST, shell: '/bin/rbash' },
      { name: 'forced', password: FIRST },
      { name: 'files', password: FIRST },
    ],
    config: [
      'MaxAuthTries 1',
      'Match User forced',
      'ForceCommand tee -a /run/forced',
      'Match User files',
      'ForceCommand internal-sftp',
      'Match all',
    ],
    setup: `
      { echo 'password requisite pam_pwquality.so retry=3 minlen=9 dictcheck=0'
        echo 'password required pam_unix.so use_authtok yescrypt'; } >/etc/pam.d/common-password
      echo 'Defaults:always timestamp_timeout=0, lecture=always, log_output' >>/etc/sudoers
      echo 'Defaults:term requiretty' >>/etc/sudoers
      echo 'echo "a word of the shell before"' | tee -a "$1"/home/*/.bashrc >/dev/null
      touch /run/forced; chmod 666 /run/forced
      chage -d 0 expired`,
  })
  t.teardown(() => host.stop())
  const { target } = host
  const root: AccountLogin = {
    account: host.account('root'),
    material: { kind: 'private-key', privateKey: new Secret(host.rootKey) },
  }
  const dial = () => directDialer(target)
  const signal = AbortSignal.timeout(300_000)
  const verify = (name: string, text: string) =>
    sshPassword.verify({ target, account: host.account(name), material: password(text), dialer: dial() }, signal)
  const change = (
    name: string,
    current: CredentialMaterial | undefined,
    candidate: string,
    as?: AccountLogin,
    given: AbortSignal = signal,
  ) =>
    sshPassword.change(
      { target, account: host.account(name), dial, current, candidate: password(candidate), as },
      given,
    )

  t.test('a password that works is told from one that is refused, and from a target that is not there', async t => {
    t.same(await verify('plain', FIRST), { result: 'works' })
    t.match(await verify('plain', 'another'), { result: 'refused', words: /Too many authentication failures/ })
    const gone = { ...target, port: 1 }
    const login = {
      target: gone,
      account: host.account('plain'),
      material: password(FIRST),
      dialer: directDialer(gone),
    }
    t.match(await sshPassword.verify(login, signal), { result: 'unreachable' })
    const other = { ...target, hostKeys: [generateKeyPair('ed25519').public.trim()] }
    const asked = { target: other, account: host.account('plain'), dial: () => directDialer(other) }
    const [current, candidate] = [password(FIRST), password(SECOND)]
    t.match(await sshPassword.change({ ...asked, current, candidate, as: undefined }, signal), {
      result: 'not-changed',
      words: /another host key/,
    })
  })

  t.test('an account without any right changes itself, whatever the password is made of', async t => {
    t.same(await change('plain', password(FIRST), QUOTED), { result: 'changed' })
    t.same(await verify('plain', QUOTED), { result: 'works' })
    t.match(await verify('plain', FIRST), { result: 'refused' })
    t.same(await change('plain', password(FIRST), QUOTED), { result: 'changed' }, 'done twice, it is done')
  })

  t.test("the target's policy refuses a candidate in its own words, and nothing changes", async t => {
    t.match(await change('plain', password(QUOTED), 'Short1!'), {
      result: 'candidate-refused',
      words: 'BAD PASSWORD: The password is shorter than 9 characters',
    })
    for (const unfit of ['', 'two\nlines', 'a\0b', 'x'.repeat(512)])
      t.match(await change('plain', password(QUOTED), unfit), { result: 'candidate-refused' })
    host.run("sed -i 's/minlen=9/minlen=9 enforce_for_root/' /etc/pam.d/common-password")
    t.match(await change('plain', undefined, 'Short1!', root), {
      result: 'candidate-refused',
      words: /BAD PASSWORD: The password is shorter than 9 characters/,
    })
    host.run("sed -i 's/ enforce_for_root//' /etc/pam.d/common-password")
    t.same(await verify('plain', QUOTED), { result: 'works' })
  })

  t.test('sudo gives the right where passwd does not, with a password and without', async t => {
    for (const name of ['free', 'asked', 'always']) {
      host.run(`chage -m 30 ${name}`)
      t.same(await change(name, password(FIRST), SECOND), { result: 'changed' }, name)
      t.same(await verify(name, SECOND), { result: 'works' }, name)
      const as = { account: host.account(name), material: password(SECOND) }
      t.same(await change('other', undefined, `${QUOTED} ${name}`, as), { result: 'changed' }, `${name} for another`)
      t.same(await verify('other', `${QUOTED} ${name}`), { result: 'works' })
    }
  })

  t.test('where sudo does not give it, that is said, with the words of both', async t => {
    for (const [name, words] of [
      ['term', /wait longer to change.*you must have a tty to run sudo/],
      ['plain', /wait longer to change.*sudo does not let the account run chpasswd/],
    ] as const) {
      host.run(`chage -m 30 ${name}`)
      const current = name === 'plain' ? QUOTED : FIRST
      t.match(await change(name, password(current), SECOND), { result: 'not-changed', words })
      t.same(await verify(name, current), { result: 'works' })
    }
    const wrong = { account: host.account('asked'), material: root.material }
    t.match(await change('other', undefined, SECOND, wrong), { result: 'not-changed', words: /asked cannot log in/ })
  })

  t.test('root changes others with one key as often as it must, and what has 128 characters', async t => {
    for (const text of ['p4Q '.repeat(32), '#'.repeat(20), '!!:x'])
      t.same(await change('other', undefined, text, root), { result: 'changed' })
    t.same(await verify('other', '!!:x'), { result: 'works' })
    t.same(await change('nologin', undefined, SECOND, root), { result: 'changed' })
    t.same(await verify('nologin', SECOND), { result: 'works' })
    t.same(await change('expired', undefined, SECOND, root), { result: 'changed' })
  })

  t.test('what does not run commands as asked is told nothing, and said', async t => {
    for (const [name, current, words] of [
      ['nologin', SECOND, /This account is currently not available/],
      ['restricted', FIRST, /restricted/],
      ['files', FIRST, /exit status|closed/],
    ] as const)
      t.match(await change(name, password(current), QUOTED), { result: 'not-changed', words }, name)
    const given = AbortSignal.timeout(3000)
    t.match(await change('forced', password(FIRST), QUOTED, undefined, given), { result: 'not-changed' })
    t.equal(host.run('cat /run/forced'), '', 'a program that reads in place of passwd is given nothing')
  })

  t.test('an account whose password has expired changes it as sshd demands', async t => {
    host.run('chage -d 0 other')
    t.match(await change('other', password('!!:x'), 'Short1!'), {
      result: 'candidate-refused',
      words: /shorter than 9/,
    })
    t.same(await change('other', password('!!:x'), QUOTED), { result: 'changed' })
    t.same(await verify('other', QUOTED), { result: 'works' })
    host.run('chage -d 0 -m 7 files')
    t.match(await change('files', password(FIRST), QUOTED), { result: 'not-changed' })
  })

  t.test('nothing secret is in an argument, in the environment, or in a history', async t => {
    const seen = join(host.folder, 'seen')
    wrap(`cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ >${seen} 2>/dev/null; exec /run/chpasswd`)
    t.same(await change('other', undefined, SECOND, root), { result: 'changed' })
    t.same(await change('free', password(SECOND), QUOTED), { result: 'changed' })
    unwrap()
    const everything =
      readFileSync(seen, 'utf8') + host.run(`cat "${host.folder}"/home/*/.*history 2>/dev/null || true`)
    t.match(everything, /chpasswd/)
    for (const secret of [SECOND, QUOTED, QUOTED.trim()]) t.notOk(everything.includes(secret))
    t.notOk(host.log().includes(SECOND))
  })

  t.test('when it may have changed or not, that is what is said', async t => {
    for (const [program, words] of [
      ['read line; echo "no luck with $line" >&2; exit 1', /exit status 1/],
      ['read line; echo "$line" | base64 >&2; exit 3', /withheld.*exit status 3/],
      ['read line; kill -9 $$', /signal/],
      ['read line; yes', /more than is read/],
      ['read line; kill -9 $PPID', /lost|closed/],
    ] as const) {
      wrap(program)
      const result = await change('other', undefined, QUOTED, root)
      t.match(result, { result: 'uncertain', words }, program)
      t.notMatch(JSON.stringify(result), QUOTED.trim().slice(0, 8))
    }
    wrap(
      `read line; echo $$ >${host.folder}/reading; mv ${host.folder}/reading ${host.folder}/has-read; exec sleep 600`,
    )
    const hasRead = appears(host.folder, 'has-read', signal)
    const stop = new AbortController()
    const hanging = change('other', undefined, QUOTED, root, stop.signal)
    await hasRead
    stop.abort()
    t.match(await hanging, { result: 'uncertain', words: /did not end in time/ })
    host.run(`kill "$(cat ${host.folder}/has-read)"`)
    wrap('exec cat >/dev/null')
    t.same(await change('other', undefined, QUOTED, root), { result: 'changed' })
    t.match(await verify('other', QUOTED), { result: 'refused' }, 'a target that lies is found out by a login')
    unwrap()
    wrap('printf "New password: " >&2; read new; exit 0', '', '/usr/bin/passwd')
    t.match(await change('term', password(FIRST), SECOND), { result: 'uncertain' }, 'a passwd that asks once')
    wrap('printf "Enter your birthday: " >&2; read day', '', '/usr/bin/passwd')
    t.match(await change('term', password(FIRST), SECOND, undefined, AbortSignal.timeout(2000)), {
      result: 'not-changed',
    })
    unwrap('/usr/bin/passwd')
  })

  t.test(
    'a target without chpasswd, that is read-only, or whose disk is full, says so and keeps the password',
    async t => {
      host.run('mount --bind /dev/null /usr/sbin/chpasswd')
      t.match(await change('other', undefined, QUOTED, root), {
        result: 'not-changed',
        words: 'the target has no chpasswd',
      })
      host.run('umount /usr/sbin/chpasswd')
      host.run('mount -o remount,bind,ro /etc')
      t.match(await change('other', undefined, QUOTED, root), { result: 'uncertain', words: /password not changed/ })
      host.run('mount -o remount,bind,rw /etc')
      host.run('dd if=/dev/zero of=/etc/full bs=64k 2>/dev/null || true')
      t.match(await change('other', undefined, QUOTED, root), { result: 'uncertain', words: /password not changed/ })
      host.run('rm /etc/full')
      t.same(await verify('other', SECOND), { result: 'works' })
      t.same(await change('other', undefined, QUOTED, root), { result: 'changed' })
    },
  )

  t.test('what says that it is BusyBox is asked for a hash that lasts', async t => {
    wrap('[ "$*" = "-c sha512" ] && exec /run/chpasswd', 'BusyBox v1.36.1 multi-call binary.')
    t.same(await change('other', undefined, SECOND, root), { result: 'changed' })
    unwrap()
    t.same(await verify('other', SECOND), { result: 'works' })
  })

  t.test('with nothing that works, nobody is asked', async t => {
    t.match(await change('plain', undefined, SECOND), { result: 'not-changed', words: /reconcile/ })
    t.match(await change('plain', password('wrong'), SECOND), { result: 'not-changed', words: /cannot log in/ })
  })

  /** Puts a shell program in the place of chpasswd, which it finds as /run/chpasswd, or of another. */
  function wrap(program: string, help = '', path = '/usr/sbin/chpasswd'): void {
    const file = join(host.folder, basename(path))
    writeFileSync(file, `#!/bin/bash\n[ "$1" = --help ] && echo "${help}" && exit\n${program}\n`, { mode: 0o755 })
    host.run(
      `umount -l ${path} 2>/dev/null || true; cp -n ${path} /run/${basename(path)}; mount --bind ${file} ${path}`,
    )
  }

  /** Also while a program that was given up still ends. */
  function unwrap(path = '/usr/sbin/chpasswd'): void {
    host.run(`umount -l ${path}`)
  }
})
