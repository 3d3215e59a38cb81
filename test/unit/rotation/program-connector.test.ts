/** Programs of the administrator's as connectors: real ones are run, and each way to misbehave comes to a clear state. */

import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { generateKeyPair } from '../../../src/protocols/ssh/transport/generate-key-pair.ts'
import { createProgramConnector } from '../../../src/rotation/program/connector.ts'
import type { CredentialChange } from '../../../src/session/connector.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { targetSchema } from '../../../src/targets/target.ts'
import { acceptMaterial } from '../../../src/vault/credential.ts'
import { type CredentialMaterial, eraseMaterial } from '../../../src/vault/lease.ts'
import { directDialer } from '../../support/direct-dialer.ts'

const CURRENT = `current "secret" 'quoted' \\ $HOME ünï`
const CANDIDATE = 'candidate-Zk3!pQ9w+/='
const target = targetSchema.parse({
  ...{ name: 'legacy', protocol: 'ssh', host: 'legacy.internal', labels: { env: 'production' } },
  accounts: [{ name: 'app', login: 'svc-app' }],
})
const account = target.accounts[0]!
const password = (text: string): CredentialMaterial => ({ kind: 'password', password: new Secret(text) })

interface Options {
  readonly timeout?: number
  readonly arguments?: string[]
  readonly environment?: Record<string, string>
  readonly verify?: 'login' | 'program'
  readonly finish?: boolean
  readonly connectorOf?: string[]
}

function connectorOf(t: Test, script: string, options: Options = {}) {
  const path = join(t.testdir(), 'program')
  writeFileSync(path, script, { mode: 0o755 })
  return connectorAt(path, options)
}

function connectorAt(path: string, { timeout = 20_000, verify = 'program', finish = true, ...options }: Options = {}) {
  const logged: string[] = []
  const log = pino({ level: 'trace' }, { write: (line: string) => logged.push(line) })
  const connector = createProgramConnector({
    name: 'legacy-system',
    program: {
      path,
      arguments: [],
      environment: {},
      kinds: ['password', 'private-key'],
      timeout,
      verify,
      finish,
      ...options,
    },
    verifyLogin: async () => ({ result: 'refused', words: 'by the login' }),
    log,
  })
  const asked = (given: Partial<CredentialChange>): CredentialChange => ({
    ...{ target, account, dial: () => directDialer(target), as: undefined },
    ...{ current: password(CURRENT), candidate: password(CANDIDATE), ...given },
  })
  const signal = AbortSignal.timeout(60_000)
  return {
    logged,
    change: (given: Partial<CredentialChange> = {}, until = signal) => connector.change(asked(given), until),
    finish: (given: Partial<CredentialChange> = {}) => connector.finish!(asked(given), signal),
    verify: (material = password(CANDIDATE)) =>
      connector.verify({ target, account, material, dialer: directDialer(target) }, signal),
  }
}

/** A zombie is dead. */
function isAlive(pid: string): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

const answers = (result: string, code = result === 'changed' || result === 'works' ? 0 : 1) =>
  `#!/bin/sh\ncat >/dev/null\necho '{"result":"${result}","words":"as it says"}'\nexit ${code}\n`

t.test('it is told what to do on its stdin, and nothing else', async t => {
  const script = `#!/usr/bin/python3
import json, os, sys
seen = {"stdin": json.load(sys.stdin), "arguments": sys.argv[1:], "environment": dict(os.environ),
        "open": [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")], "group": os.getpgid(0) == os.getpid(), "cwd": os.getcwd()}
json.dump(seen, open(os.environ["SEEN"], "w"))
print(json.dumps({"result": "changed"}))
`
  process.env.SALLYPORT_TEST_SECRET = 'of the gateway'
  t.teardown(() => delete process.env.SALLYPORT_TEST_SECRET)
  const seen = join(t.testdir(), 'seen.json')
  const file = openSync(import.meta.filename, 'r')
  t.teardown(() => closeSync(file))
  const { change, logged } = connectorOf(t, script, { arguments: ['--flag', '$HOME'], environment: { SEEN: seen } })
  const as = { account: { ...account, name: 'root', login: 'root' }, material: password('of root') }
  t.same(await change({ as, attempt: 2 }), { result: 'changed' })
  const { stdin, arguments: given, environment, open, group, cwd } = JSON.parse(readFileSync(seen, 'utf8'))
  t.same(stdin, {
    version: 1,
    action: 'change',
    target: { name: 'legacy', protocol: 'ssh', host: 'legacy.internal', port: 22, labels: { env: 'production' } },
    account: 'app',
    login: 'svc-app',
    attempt: 2,
    current: { password: CURRENT },
    candidate: { password: CANDIDATE },
    as: { account: 'root', login: 'root', password: 'of root' },
  })
  t.same(given, ['--flag', '$HOME'])
  // What tap gives to every child, and Python sets by itself.
  const own = Object.keys(environment).filter(name => !/^(_TAPJS_|NODE_OPTIONS$|LC_CTYPE$|SALLYPORT_RUN$)/.test(name))
  t.same(own.sort(), ['LANG', 'PATH', 'SEEN'])
  t.notOk(open.includes(realpathSync(import.meta.filename)), 'no file of the gateway')
  t.ok(group, 'a process group of its own')
  t.equal(cwd, '/')
  t.same(logged, [])
})

t.test('a private key is told as a file, with the line of its public half', async t => {
  const script = `#!/bin/sh\nrequest=$(cat)\nread() { printf '%s' "$request" | jq -r "$1"; }
public=$(read .candidate.privateKey | openssl pkey -pubout -outform DER | tail -c 32 | base64)
printf '%s %s' "$public" "$(read .candidate.publicKey)" >"$SEEN"\necho '{"result":"changed"}'\n`
  const { secret, public: line } = generateKeyPair('ed25519')
  const candidate = await acceptMaterial({ kind: 'private-key', privateKey: new Secret(secret.reveal()) })
  const [type, blob] = line.trim().split(' ')
  const half = Buffer.from(blob!, 'base64').subarray(-32).toString('base64')
  const SEEN = join(t.testdir(), 'seen')
  const { change } = connectorOf(t, script, { environment: { SEEN } })
  t.same(await change({ candidate, current: undefined }), { result: 'changed' })
  t.equal(readFileSync(SEEN, 'utf8'), `${half} ${type} ${blob}`)
})

t.test('what it answers and how it exits must say the same', async t => {
  for (const result of ['changed', 'candidate-refused', 'not-changed', 'uncertain'] as const) {
    const { change } = connectorOf(t, answers(result))
    t.match(await change(), { result, ...(result !== 'changed' && { words: 'as it says' }) })
    const { change: contradicts } = connectorOf(t, answers(result, result === 'changed' ? 1 : 0))
    t.match(await contradicts(), { result: 'uncertain', words: /not believed/ })
  }
  for (const result of ['works', 'refused', 'unreachable'] as const) {
    t.match(await connectorOf(t, answers(result)).verify(), { result })
    t.match(await connectorOf(t, answers(result, 2)).verify(), { result: 'unreachable' })
  }
  t.match(await connectorOf(t, answers('changed')).finish(), { result: 'changed' })
  t.match(await connectorOf(t, answers('candidate-refused')).finish(), { result: 'uncertain' })
  t.match(await connectorOf(t, answers('works')).change(), { result: 'uncertain' }, 'an answer to another question')
  t.match(await connectorOf(t, answers('works'), { verify: 'login' }).verify(), { words: 'by the login' })
})

t.test('whatever else it does, what came of it is not known, and it is over', async t => {
  const json = `'{"result":"changed"}'`
  const ways: Record<string, string> = {
    'says nothing': 'exit 0',
    'says half of it': `printf '{"result":"cha'`,
    'says it twice': `echo ${json}; echo ${json}`,
    'says more': `echo '{"result":"changed","extra":1}'`,
    'says a list': `echo '["changed"]'`,
    'says bytes that are no text': `printf '{"result":"changed","words":"\\377"}'`,
    'says it behind a byte order mark': `printf '\\357\\273\\277%s' ${json}`,
    'says it in UTF-16': `printf '%s' ${json} | iconv -t UTF-16`,
    'says yes and no': `echo '{"result":"not-changed","result":"changed"}'`,
    'says it twice by another name': `echo '{"result":"not-changed","r\\u0065sult":"changed"}'`,
    'says it of the prototype': `echo '{"__proto__":{"result":"changed"}}'`,
    'says it with a prototype': `echo '{"result":"changed","__proto__":"words"}'`,
    'says it of its constructor': `echo '{"constructor":"x","result":"changed"}'`,
    'says no number': `echo '{"result":"changed","words":NaN}'`,
    'says a list of words': `echo '{"result":"changed","words":["a"]}'`,
    'says it as a result that objects have': `echo '{"result":"toString"}'`,
    'says it with a NUL behind': `printf '%s\\0' ${json}`,
    'says it in pieces, with more behind': `printf '{"result":'; sleep 0.1; printf '"changed"}'; sleep 0.1; echo x`,
    'says that it failed, and exits well': `echo '{"result":"not-changed"}'`,
    'says that it went well, and exits badly': `echo ${json}; exit 1`,
    'floods its errors': `yes error >&2`,
    'writes megabytes': `yes '{"result":"changed"}'`,
    'writes megabytes of errors, and ends itself': `yes error | head -c 5000000 >&2; kill -9 $$`,
    hangs: `sleep 100`,
    'ignores that it should end': `trap '' TERM HUP INT PIPE; while :; do sleep 1; done`,
    'closes its output and hangs': `exec >&- 2>&-; sleep 100`,
    'says yes and hangs': `echo ${json}; sleep 100`,
    'is killed': `echo ${json}; kill -9 $$`,
  }
  for (const [name, body] of Object.entries(ways)) {
    const { change, logged } = connectorOf(t, `#!/bin/sh\n${body}\n`, { timeout: 700 })
    t.match(await change(), { result: 'uncertain' }, name)
    t.ok(logged.join('').length < 5000)
  }
  const { change } = connectorOf(t, `#!/bin/sh\nexec <&-\necho ${json}\n`)
  const large = password('x'.repeat(4000))
  t.match(
    await change({ candidate: large, as: { account, material: large } }),
    { result: 'changed' },
    'closes its stdin',
  )
})

t.test('what it started ends with it, and is not waited for', async t => {
  const file = join(t.testdir(), 'alive')
  const script = (end: string) => `#!/bin/sh
(while :; do echo >>"$ALIVE"; sleep 0.05; done) &
while [ ! -s "$ALIVE" ]; do sleep 0.05; done
${end}
`
  for (const [end, result] of [
    [`echo '{"result":"changed"}'`, 'changed'],
    ['sleep 100', 'uncertain'],
  ] as const) {
    writeFileSync(file, '')
    const { change } = connectorOf(t, script(end), { timeout: 1500, environment: { ALIVE: file } })
    t.match(await change(), { result })
    const size = readFileSync(file).length
    t.ok(size > 0)
    await sleep(300)
    t.equal(readFileSync(file).length, size, 'it writes no more')
  }
})

t.test('what left its process group ends with it too', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-daemons-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'alive')
  const has = (count: number) => `while [ "$(wc -l <"$ALIVE")" -lt ${count} ]; do sleep 0.05; done`
  const daemon = join(folder, 'daemon.py')
  writeFileSync(
    daemon,
    `import os, signal, sys, time
# A daemon as books have it: two forks, a session of its own, nothing that ends it, and nothing of its streams where it is told so.
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(each, signal.SIG_IGN)
if sys.argv[1] == "closed":
    for fd in range(3): os.dup2(os.open("/dev/null", os.O_RDWR), fd)
with open(os.environ.get("ALIVE") or sys.argv[2], "a") as alive: print(os.getpid(), file=alive)
time.sleep(600)
`,
  )
  const bomb = join(folder, 'bomb.py')
  writeFileSync(
    bomb,
    `import os, time
# Each of forty begins the next one, in a session of its own, and another that only sleeps.
for left in range(40):
    with open(os.environ["ALIVE"], "a") as alive: print(os.getpid(), file=alive)
    time.sleep(0.02)
    if os.fork() == 0:
        os.setsid()
        with open(os.environ["ALIVE"], "a") as alive: print(os.getpid(), file=alive)
        time.sleep(600)
    if os.fork(): os._exit(0)
time.sleep(600)
`,
  )
  const ways: Record<string, [script: string, result: string]> = {
    'a daemon that holds its output open': [`python3 ${daemon} open\n${has(1)}`, 'changed'],
    'a daemon without a stream of ours': [`python3 ${daemon} closed\n${has(1)}`, 'changed'],
    'one that knows nothing of its environment': [`env -i python3 ${daemon} open ${file}\n${has(1)}`, 'changed'],
    'one that was begun by a shell in the background': [
      `setsid sh -c 'echo $$ >>"$ALIVE"; exec sleep 600' >/dev/null 2>&1 &\n${has(1)}`,
      'changed',
    ],
    'its own end comes by the time limit': [`python3 ${daemon} closed\n${has(1)}\nsleep 600`, 'uncertain'],
    'many, while they still begin others': [`setsid python3 ${bomb} &\n${has(10)}`, 'changed'],
  }
  for (const [name, [script, result]] of Object.entries(ways)) {
    writeFileSync(file, '')
    const body = `#!/bin/sh\n${script}\necho '{"result":"changed"}'\n`
    const { change } = connectorOf(t, body, { timeout: 4000, environment: { ALIVE: file } })
    t.match(await change(), { result }, name)
    const pids = readFileSync(file, 'utf8').trim().split('\n')
    t.ok(pids.length > 0 && pids[0] !== '', 'it had begun')
    t.same(pids.filter(isAlive), [], `${name}: nothing is left`)
    const told = readFileSync(file, 'utf8').length
    await sleep(100)
    t.equal(readFileSync(file, 'utf8').length, told, 'and nothing begins anew')
  }
})

t.test('a rotation that is stopped stops it', async t => {
  const file = join(t.testdir(), 'started')
  const { change } = connectorOf(t, `#!/bin/sh\n: >"$STARTED"\nsleep 100\n`, { environment: { STARTED: file } })
  const stop = new AbortController()
  const changing = change({}, stop.signal)
  while (!existsSync(file)) await sleep(10)
  stop.abort()
  t.match(await changing, { result: 'uncertain', words: /stopped/ })
  t.match(await change({}, AbortSignal.abort(new Error('over'))), { result: 'not-changed' })
})

t.test('nothing that it writes brings the secret anywhere', async t => {
  const encoders = [
    'cat',
    'base64',
    'python3 -c "import sys; print(sys.stdin.read().encode().hex())"',
    `python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.stdin.read()))'`,
  ]
  for (const encode of encoders) {
    const script = `#!/bin/sh\nsecret=$(jq -r .candidate.password)\nprintf 'it is %s' "$secret" | ${encode} >&2
words=$(printf 'it is %s' "$secret" | ${encode} | tr -d '\\n')\nprintf '{"result":"not-changed","words":"%s"}' "$words"\nexit 1\n`
    const { change, logged } = connectorOf(t, script)
    t.match(await change(), { result: 'not-changed', words: /^\[[^(]*withheld[^(]*\(stderr: \[.*withheld/ }, encode)
    t.match(logged.join(''), /withheld/)
  }
  const erased = password(CANDIDATE)
  const slow = connectorOf(t, `#!/bin/sh\ncat >&2\nexit 1\n`)
  const changing = slow.change({ candidate: erased })
  eraseMaterial(erased)
  await changing
  t.notMatch(slow.logged.join(''), /Zk3/, 'nor after it was erased, when it cannot be compared')
  const { change, logged } = connectorOf(t, `#!/bin/sh\necho 'no such \x1b[31m host' >&2\nexit 3\n`)
  t.match(await change(), { result: 'uncertain', words: /stderr: no such … host/ }, 'what is none of it is told')
  t.match(logged.join(''), 'no such')
})

t.test('the example in the documentation does what it says', async t => {
  const docs = readFileSync(join(import.meta.dirname, '../../../docs/vault.md'), 'utf8')
  const [, example] = /```python\n(#!.*?)```/s.exec(docs)!
  let stored = CURRENT
  const appliance = createServer((request, response) => {
    const [, given] = /^Basic (.*)$/.exec(request.headers.authorization ?? '')!
    const right = Buffer.from(given!, 'base64').toString() === `svc-app:${stored}`
    void request.toArray().then(body => {
      const { password } = JSON.parse(Buffer.concat(body).toString())
      const status = !right ? 401 : password === 'Summer2026' ? 422 : 204
      if (status === 204) stored = password
      response.writeHead(status).end(status === 422 ? 'too weak' : '')
    })
  }).listen(0, '127.0.0.1')
  await once(appliance, 'listening')
  t.teardown(() => appliance.close())
  const API = `http://127.0.0.1:${(appliance.address() as AddressInfo).port}/api`
  const { change, logged } = connectorOf(t, example!, { environment: { API } })
  t.match(await change({ candidate: password('Summer2026') }), { result: 'candidate-refused', words: 'too weak' })
  t.match(await change(), { result: 'changed' })
  t.equal(stored, CANDIDATE)
  t.match(await change(), { result: 'not-changed', words: /401/ })
  appliance.closeAllConnections()
  await new Promise(resolve => appliance.close(resolve))
  t.match(await change({ current: password(CANDIDATE) }), { result: 'uncertain' })
  t.same(logged, [])
})

t.test(
  'it is given the credentials alone of the accounts that it is meant for, also of the privileged one',
  async t => {
    const meantFor = ['app@legacy', '*@other*']
    const script = answers('changed')
    t.match(await connectorOf(t, script, { connectorOf: meantFor }).change(), { result: 'changed' })
    const as = { account: { ...account, name: 'root', login: 'root' }, material: password('of root') }
    t.match(await connectorOf(t, script, { connectorOf: meantFor }).change({ as }), {
      result: 'not-changed',
      words:
        "legacy-system is not meant for root@legacy: rotation.programs.legacy-system.connectorOf of the gateway's configuration",
    })
    for (const other of [[], ['app@legac'], ['app'], ['*@orders'], ['ap*@leg*x'], ['svc-app@legacy']]) {
      const { change, finish, verify } = connectorOf(t, answers('works'), { connectorOf: other })
      for (const act of [change, finish])
        t.match(await act(), { result: 'not-changed', words: /not meant for app@legacy/ })
      t.match(await verify(), { result: 'unreachable', words: /not meant for app@legacy/ })
    }
    for (const own of [['*'], ['app@*'], ['*@legacy'], ['a*@leg*'], ['*p@*y'], ['nobody@x', 'app@legacy']])
      t.match(await connectorOf(t, script, { connectorOf: own }).change(), { result: 'changed' }, String(own))
  },
)

t.test('a program that others could have written is not run', async t => {
  const folder = t.testdir({ real: {} })
  const program = (name: string, mode = 0o755) => {
    const path = join(folder, name)
    writeFileSync(path, answers('changed'), { mode })
    chmodSync(path, mode)
    return path
  }
  const refuses = async (path: string, words: RegExp) =>
    t.match(await connectorAt(path).change(), { result: 'not-changed', words })
  t.match(await connectorAt(program('good', 0o700)).change(), { result: 'changed' })
  await refuses(program('group', 0o775), /chmod go-w/)
  await refuses(program('all', 0o757), /chmod go-w/)
  await refuses(program('text', 0o644), /not executable/)
  await refuses(join(folder, 'nothing'), /cannot be opened/)
  await refuses(folder, /not a file/)
  writeFileSync(join(folder, 'no-interpreter'), '#!/no/such/interpreter\n', { mode: 0o755 })
  await refuses(join(folder, 'no-interpreter'), /cannot be started/)
  if (process.geteuid!() === 0) {
    const foreign = program('foreign')
    chownSync(foreign, 65534, 65534)
    await refuses(foreign, /belongs to the user with id 65534/)
    symlinkSync(foreign, join(folder, 'link'))
    await refuses(join(folder, 'link'), /belongs to the user/)
  }
  const open = join(folder, 'open')
  mkdirSync(open)
  chmodSync(open, 0o777)
  renameSync(program('moved'), join(open, 'moved'))
  await refuses(join(open, 'moved'), /everybody may write to its folder/)
  const { change } = connectorAt(program('changing'))
  t.match(await change(), { result: 'changed' })
  chmodSync(join(folder, 'changing'), 0o777)
  t.match(await change(), { result: 'not-changed' }, 'each time it is looked at anew')
})
