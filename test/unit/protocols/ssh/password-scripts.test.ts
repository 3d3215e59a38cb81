import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { keysScript } from '../../../../src/protocols/ssh/rotation/keys-script.ts'
import { questionIn, withoutQuestions } from '../../../../src/protocols/ssh/rotation/passwd.ts'
import { chpasswdLine, passwordLine, whyUnfit } from '../../../../src/protocols/ssh/rotation/password-lines.ts'
import { chpasswdScript, ownPasswordScript } from '../../../../src/protocols/ssh/rotation/password-scripts.ts'
import { createScript } from '../../../../src/protocols/ssh/rotation/scripts.ts'

t.test(
  'a line for chpasswd is the login up to the first colon, and the password as it is up to the line end',
  async t => {
    const login = fc.stringMatching(/^[a-z_][a-z0-9_.$ -]{0,31}$/)
    fc.assert(
      fc.property(login, fc.string({ unit: 'binary', minLength: 1 }), (name, text) => {
        const password = Buffer.from(text)
        if (whyUnfit(password) !== undefined) return
        const line = chpasswdLine(name, password)
        const colon = line.indexOf(':')
        t.equal(line.subarray(0, colon).toString(), name)
        t.same(line.subarray(colon + 1, line.indexOf('\n')), password)
        t.equal(line.indexOf('\n'), line.length - 1)
        t.same(passwordLine(password), line.subarray(colon + 1))
      }),
      { numRuns: 50 },
    )
  },
)

t.test('the questions of passwd are known, in what the C locale calls them, and nothing else is answered', async t => {
  const asks = {
    'Current password: ': 'current',
    '(current) UNIX password: ': 'current',
    'Changing password for bob.\nOld password: ': 'current',
    'New password: ': 'new',
    'Enter new UNIX password: ': 'new',
    'BAD PASSWORD: too short\nNew password:': 'new',
    'Retype new password: ': 'again',
    'Re-enter new password: ': 'again',
    'New password (again): ': 'again',
    'BAD PASSWORD: it is too short\n': undefined,
    'BAD PASSWORD: ': undefined,
    'New password: \n': undefined,
    'One-time code: ': undefined,
    'Password: ': undefined,
  } as const
  for (const [text, asked] of Object.entries(asks)) t.equal(questionIn(text), asked, text)
  t.equal(withoutQuestions('New password: BAD PASSWORD: short\nNew password: '), '\nBAD PASSWORD: short\n\n')
})

t.test('a script is one word for any shell, and no word that it tells stands in it', async t => {
  for (const script of [ownPasswordScript(), chpasswdScript(), keysScript()]) {
    const quoted = /^exec \/bin\/sh -c '([^']*)'(?: sh '([^']*)')?$/.exec(script.command)
    t.ok(quoted, 'nothing but its own quotes')
    t.notMatch(script.command, /[!\n]/)
    t.equal(script.told(script.command), undefined, 'who shows it tells nothing')
    for (const part of quoted!.slice(1).filter(part => part !== undefined))
      t.equal(spawnSync('/bin/sh', ['-n', '-c', part]).status, 0, 'it is a shell program')
  }
  t.not(chpasswdScript().command, chpasswdScript().command, 'each time it tells other words')
})

t.test('what a script tells is heard in its order, wherever other words stand', async t => {
  const script = createScript(
    ['here', 'asked'],
    prompt => `echo noise; say here; printf %s ${prompt('asked')} >&2; say other`,
  )
  const { stderr } = spawnSync('/bin/sh', ['-c', script.command], { encoding: 'utf8' })
  const first = script.told(`rc noise ${stderr}`)
  t.match(first, { found: 'here' })
  t.match(script.told(`rc noise ${stderr}`.slice(first!.end)), { found: 'asked' })
  t.equal(stderr.startsWith(script.as('here')), true)
  t.equal(script.withoutTold(stderr), '')
})

t.test('a program at the target that prints without end takes no memory there', async t => {
  const folder = t.testdir()
  const endless = (name: string, when: string) =>
    writeFileSync(join(folder, name), `#!/bin/sh\n${when} exec yes\nexit 0\n`, { mode: 0o755 })
  for (const name of ['chpasswd', 'passwd']) endless(name, '[ "$1" = --help ] &&')
  const run = (command: string, input: string) => {
    const own = command.replaceAll('PATH=/usr/sbin', `PATH=${folder}${delimiter}/usr/sbin`)
    return spawnSync('/bin/sh', ['-c', `ulimit -v 100000; ${own}`], { encoding: 'utf8', input, maxBuffer: 1024 ** 2 })
  }
  for (const script of [ownPasswordScript(), chpasswdScript()]) {
    const { stderr } = run(script.command, '')
    t.match(script.told(stderr), { found: /ready|passwd/ }, 'it goes on')
  }
  for (const name of ['id', 'getent', 'cksum', 'ls', 'mkdir', 'mv', 'dirname']) {
    endless(name, '')
    const path = join(folder, 'home', '.ssh', 'authorized_keys')
    const { stderr } = run(keysScript().command, `root\nwrite\n${path}\nnone\n3\nabc`)
    t.notMatch(stderr, /memory|Cannot allocate/i, name)
    writeFileSync(join(folder, name), `#!/bin/sh\nPATH=/usr/bin:/bin exec ${name} "$@"\n`)
  }
})
