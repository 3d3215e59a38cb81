/** Checking accounts out and in by ssh: who has one, who waits, what is shown, and what becomes of sessions. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { armor, Decrypter, generateX25519Identity, identityToRecipient } from 'age-encryption'
import t from 'tap'
import { callApi } from '../../support/call-api.ts'
import { inTerminal } from '../../support/in-terminal.ts'
import { asOwner, withToken } from '../../support/run-cli.ts'
import type { SshProcess } from '../../support/ssh-client.ts'
import { startSshGateway } from '../../support/ssh-gateway.ts'

t.test('an account is checked out', async t => {
  const front = await startSshGateway(t, {
    gateway: { storeMoves: true },
    role: { checkOut: { maxTime: '4h', seeHolder: true } },
  })
  const { gateway, sshd, identityFile, options, run } = front
  const { parts } = gateway
  const { account, host, port, hostKeys } = sshd
  const name = `${account}@web-01`
  const target = (checkOut: object) =>
    gateway.addTarget({
      ...{ name: 'web-01', protocol: 'ssh', host, port, hostKeys },
      accounts: [{ name: account, checkOut }],
    })
  await target({})
  const publicKeys = [readFileSync(`${identityFile}.pub`, 'utf8').trim()]
  for (const user of ['bob', 'carol']) await gateway.addUser({ name: user, roles: ['ops'], publicKeys })
  const at = gateway.ssh!
  const as = (login: string, ...command: string[]): SshProcess =>
    run('ssh', ...options, '-p', String(at.port), '-l', login, at.host, ...command)
  const ask = (user: string, ...command: string[]) => as(user, ...command).ended
  const json = async (user: string, ...command: string[]) => JSON.parse((await ask(user, ...command, '--json')).stdout)
  const onTarget = (user: string, ...command: string[]) => as(`${user}+${account}+web-01`, ...command)
  /** Nothing is shown while it is being changed. */
  const notChanging = async () => {
    const open = () => parts.database.selectFrom('rotations').select('id').where('ended_at', 'is', null).execute()
    const due = () => parts.schedule.list({ kind: 'rotate', key: name, dueBy: parts.storeClock.now() })
    while ((await open()).length > 0 || (await due()).some(({ state }) => state !== 'given-up'))
      await new Promise(resolve => setTimeout(resolve, 50))
  }
  const audited = async (kind: string) =>
    (await parts.audit.list({ limit: 1000 }))
      .filter(event => event.kind === kind)
      .map(({ actor, data }) => ({ actor, ...JSON.parse(data) }))

  await t.test(
    'for one person alone: others are refused, told until when, and by whom where they may know',
    async t => {
      const { stdout, status, stderr } = await ask(
        'alice',
        'checkout',
        name,
        '--for',
        '2h',
        '--reason',
        "'INC-4711 disk'",
      )
      t.equal(status, 0, stderr)
      t.match(stdout, /is yours until 20\d\d-\d\d-\d\d \d\d:\d\d UTC: ssh alice\+/)
      t.equal((await onTarget('alice', 'true').ended).status, 0, 'her own sessions work')
      const refused = await onTarget('bob', 'true').ended
      t.equal(refused.status, 255)
      t.match(refused.stderr, new RegExp(`${name} is checked out by alice until 20.* UTC`))
      t.match(refused.stderr, /ACCOUNT_CHECKED_OUT/)
      await gateway.addRole({
        ...{ name: 'ops', targets: { names: ['web-01'] }, accounts: { names: [account] } },
        factors: [['publickey']],
        checkOut: {},
      })
      t.notMatch((await onTarget('bob', 'true').ended).stderr, /alice/)
      const again = await ask('bob', 'checkout', name)
      t.equal(again.status, 1)
      t.match(again.stderr, /is checked out until 20.* UTC\.\nWith --wait you join/)
      t.notMatch(again.stderr, /alice/)
      t.match(await json('alice', 'checkouts'), {
        checkOuts: [{ account, mode: 'exclusive', way: 'inject', reason: 'INC-4711 disk', endedAt: null }],
      })
      t.match((await ask('alice', 'checkout', 'list')).stdout, new RegExp(`${name} +yours +20.*INC-4711 disk`))
      const [row] = await parts.sessions.list({ user: 'alice', limit: 1 })
      t.match(row!.details.checkOut, /^cho_/, 'the session says within which check-out it was')
    },
  )

  await t.test('its end ends her sessions, and whoever waits has it then', async t => {
    const session = onTarget('alice', 'echo it-began; exec sleep 600')
    await session.printed(/it-began/)
    const waiting = as('bob', 'checkout', name, '--wait', '--json')
    await waiting.printed(/You are number 1 of those who wait; Ctrl-C leaves/)
    t.match((await ask('bob', 'checkouts')).stdout, new RegExp(`${name} +waiting`))
    t.match((await ask('alice', 'extend', name, '--for', '30m')).stdout, /yours until/)
    const began = performance.now()
    t.match((await ask('alice', 'checkin', name)).stdout, new RegExp(`Returned ${name}`))
    const ended = await session.ended
    t.match(ended.stderr, /the check-out of the account has ended/)
    t.comment(`the session ended ${Math.round(performance.now() - began)} ms after checkin was typed`)
    const { status, stdout } = await waiting.ended
    t.equal(status, 0)
    t.match(JSON.parse(stdout), { user: 'bob', endedAt: null })
    const [row] = await parts.sessions.list({ user: 'alice', limit: 1 })
    t.equal((await gateway.ended(row!.id)).reason, 'check-out-ended')
    t.match(await audited('check-out.ended'), [{ actor: 'alice', user: 'alice', reason: 'returned', account: name }])
    t.equal((await ask('alice', 'checkin', name)).status, 1)
  })

  await t.test('Ctrl-C and a client that goes leave the queue', async t => {
    const { status, stdout } = await inTerminal(
      front,
      [{ expect: 'Ctrl-C leaves' }, { type: '\x03', expect: 'You have left the queue' }],
      { login: 'alice' },
      ...['checkout', name, '--wait'],
    ).ended
    t.equal(status, 1, stdout)
    const gone = as('carol', 'checkout', name, '--wait')
    await gone.printed(/number 1/)
    gone.kill()
    await gone.ended
    while ((await parts.checkOuts.waitingOf('carol')).length > 0) await new Promise(resolve => setImmediate(resolve))
    t.pass('nobody waits any more')
  })

  await t.test('it ends by itself, at its time', async t => {
    const [open] = await parts.checkOuts.list({ state: 'open', limit: 10 })
    const session = onTarget('bob', 'echo it-began; exec sleep 600')
    await session.printed(/it-began/)
    gateway.clock.advance(open!.until - parts.storeClock.now())
    t.match((await session.ended).stderr, /the check-out of the account has ended/)
    while ((await parts.checkOuts.get(open!.id))!.state.is === 'open')
      await new Promise(resolve => setTimeout(resolve, 20))
    t.match(await parts.checkOuts.get(open!.id), { state: { reason: 'time-over', by: 'gateway', at: open!.until } })
    t.equal((await onTarget('alice', 'true').ended).status, 0, 'it is free')
  })

  await t.test('the account says what becomes of sessions that are open', async t => {
    const session = onTarget('bob', 'echo it-began; exec sleep 600')
    await session.printed(/it-began/)
    t.match((await ask('alice', 'checkout', name)).stderr, /is in use: a session of somebody else is open on it/)
    await target({ openSessions: 'tell' })
    t.equal((await ask('alice', 'checkout', name)).status, 0)
    await session.printed(/Somebody has checked this account out until/)
    await ask('alice', 'checkin', name)
    await target({ openSessions: 'end' })
    t.equal((await ask('alice', 'checkout', name)).status, 0)
    t.match((await session.ended).stderr, /somebody has checked the account out/)
    await ask('alice', 'checkin', name)
  })

  await t.test('where the entry says so, sessions need one', async t => {
    await target({ required: true, reason: 'required', ticket: 'INC-\\d{4}' })
    const refused = await onTarget('alice', 'true').ended
    t.match(
      refused.stderr,
      new RegExp(
        `lent only within a check-out: ssh alice@gateway checkout ${name} --reason "'...'" --ticket ... .CHECK_OUT_REQUIRED`,
      ),
    )
    t.match((await ask('alice', 'checkout', name)).stderr, /needs a reason/)
    t.match(
      (await ask('alice', 'checkout', name, '--reason', 'x', '--ticket', 'CHG-1')).stderr,
      /not of the form INC-\\d\{4\}/,
    )
    t.equal((await ask('alice', 'checkout', name, '--reason', 'x', '--ticket', 'INC-4711')).status, 0)
    t.equal((await onTarget('alice', 'true').ended).status, 0)
    await ask('alice', 'checkin', name)
    await target({})
  })

  await t.test('its credential is shown once, by a fresh code, to a terminal, and changed afterwards', async t => {
    await gateway.addRole({
      ...{ name: 'ops', targets: { names: ['web-01'] }, accounts: { names: [account] } },
      factors: [['publickey']],
      checkOut: {},
    })
    t.match(
      (
        await inTerminal(
          front,
          [{ expect: 'None of your roles lets you see' }],
          { login: 'alice' },
          'checkout',
          name,
          '--reveal',
        ).ended
      ).stdout,
      /see the credential/,
    )
    await gateway.addRole({
      ...{ name: 'ops', targets: { names: ['web-01'] }, accounts: { names: [account] } },
      factors: [['publickey']],
      checkOut: { ways: ['reveal'] },
    })
    const piped = await ask('alice', 'checkout', name, '--reveal')
    t.equal(piped.status, 2)
    t.match(piped.stderr, /to a terminal alone.*\n.*-t/)
    const { alice } = front
    const wrong = await inTerminal(
      front,
      [{ expect: 'One-time code:' }, { type: '000000\r', expect: 'not right' }],
      { login: 'alice' },
      'checkout',
      name,
      '--reveal',
    ).ended
    t.equal(wrong.status, 4)
    t.match(wrong.stdout, /is yours until [^\n]*\nOne-time code: /, 'what is said first stands first')
    t.same(await audited('credential.revealed'), [])
    const begin = sshd.privateKey.split('\n')[1]!
    const { status, stdout } = await inTerminal(
      front,
      [{ expect: 'One-time code:' }, { type: `${alice.code()}\r`, expect: 'Any key takes it away' }, { type: ' ' }],
      { login: 'alice' },
      ...['checkout', name, '--reveal'],
    ).ended
    t.equal(status, 0, stdout)
    t.ok(stdout.includes(begin) || /PRIVATE KEY-----/.test(stdout))
    t.ok(stdout.lastIndexOf('\x1b[?1049l') > stdout.lastIndexOf('PRIVATE KEY'), 'her own screen is back')
    const key = /-----BEGIN.*PRIVATE KEY-----/s.exec(stdout)![0].replaceAll('\r', '')
    const file = join(sshd.folder, 'shown')
    writeFileSync(file, `${key}\n`, { mode: 0o600 })
    const direct = ['-F', 'none', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'StrictHostKeyChecking=no']
    const used = run('ssh', ...direct, '-i', file, '-p', String(port), '-l', account, host, 'echo with what was shown')
    t.match((await used.ended).stdout, /with what was shown/, 'it is the credential')
    t.match(await audited('credential.revealed'), [{ actor: 'alice', account: name, version: 1, to: 'terminal' }])
    const once = await inTerminal(front, [{ expect: 'You have' }], { login: 'alice' }, 'checkout', name, '--reveal')
      .ended
    t.equal(once.status, 1)
    t.match((await ask('alice', 'checkin', name)).stdout, /Its credential is changed now/)
    const planned = async () => (await parts.schedule.list({ kind: 'rotate', key: name })).length > 0
    const changed = async () => (await parts.vault.history({ account, target: 'web-01' })).length > 1
    while (!(await planned()) && !(await changed())) await new Promise(resolve => setTimeout(resolve, 20))
    t.pass('its change is planned, or done')
  })

  await t.test('or encrypted to her own key', async t => {
    await notChanging()
    const identity = await generateX25519Identity()
    const recipient = await identityToRecipient(identity)
    t.match((await ask('alice', 'checkout', name, '--to-age', 'ssh-ed25519')).stderr, /no SSH key/)
    const process = as('alice', 'checkout', name, '--to-age', recipient, '--json')
    await process.printed(/One-time code/)
    process.stdin.write(`${front.alice.code()}\n`)
    const { stdout, stderr, status } = await process.ended
    t.equal(status, 0, stderr)
    const decrypter = new Decrypter()
    decrypter.addIdentity(identity)
    const opened = await decrypter.decrypt(armor.decode(JSON.parse(stdout).age), 'text')
    t.match(opened, /PRIVATE KEY/)
    t.equal((await audited('credential.revealed')).length, 2)
    const leases = await parts.vault.openLeases(Number.MAX_SAFE_INTEGER)
    t.match(
      leases.map(({ holder }) => holder.kind),
      ['check-out'],
    )
    await ask('alice', 'checkin', name)
    t.same(await parts.vault.openLeases(Number.MAX_SAFE_INTEGER), [])
    t.notMatch(gateway.logLines.join(''), /PRIVATE KEY/)
  })

  await t.test(
    'the API and the command line do the same with a personal token, and force with a right of its own',
    async t => {
      const role = {
        ...{ name: 'ops', targets: { names: ['web-01'] }, accounts: { names: [account] } },
        factors: [['publickey' as const]],
      }
      await gateway.addRole({ ...role, checkOut: { ways: ['inject', 'reveal'] } })
      const anywhere = { targets: {}, accounts: {} }
      await gateway.addRole({ name: 'boss', ...anywhere, factors: [['publickey']], api: ['force-check-in'] })
      await gateway.addRole({
        name: 'seer',
        ...anywhere,
        factors: [['publickey']],
        api: ['read', 'administrate', 'operate'],
      })
      await gateway.addUser({ name: 'dora', roles: ['boss'], publicKeys })
      await gateway.addUser({ name: 'emil', roles: ['seer'], publicKeys })
      const ca = join(sshd.folder, 'ca.pem')
      writeFileSync(
        ca,
        (await callApi(gateway, '/v1/keys/certificate', { socket: true })).json<{ certificate: string }>().certificate,
      )
      const tokenOf = async (user: string) => ({
        token: (await ask(user, 'tokens', 'create', '--scope', 'all')).stdout.trim(),
        ca,
      })
      const [alice, bob, dora, emil] = await Promise.all(['alice', 'bob', 'dora', 'emil'].map(tokenOf))
      const path = `/v1/own/check-outs/web-01/${account}`
      const post = (token: string, what: string, body: unknown) =>
        callApi(gateway, what, { token, method: 'POST', body })

      const taken = await withToken(gateway, alice!, ['checkout', name, '--for', '2h', '--reason', 'by cli', '--json'])
      t.match(taken.json(), { user: 'alice', reason: 'by cli', mode: 'exclusive', source: '127.0.0.1' })
      const { id } = taken.json<{ id: string }>()
      t.match((await post(bob!.token, path, {})).json(), { error: { code: 'ACCOUNT_CHECKED_OUT' } })
      const waits = await post(bob!.token, path, { wait: true })
      t.equal(waits.status, 202)
      t.match(waits.json(), { place: 1, holder: null, words: /is checked out until/ })
      t.equal((await callApi(gateway, `${path}/waiting`, { token: bob!.token, method: 'DELETE' })).status, 204)
      const [, until] = /until (.* UTC):/.exec(
        (await withToken(gateway, alice!, ['extend', name, '--for', '30m'])).stdout,
      )!
      t.match((await ask('alice', 'checkouts')).stdout, until, 'to the minute as ssh says it')
      t.match((await withToken(gateway, alice!, ['checkouts'])).stdout, until)
      const notRotated = await asOwner(gateway, ['credential', 'rotate', name])
      t.match(notRotated, { exit: 1, stderr: new RegExp(`until ${until}\n.*checkin ${name} --force`) })
      const shownTarget = await asOwner(gateway, ['target', 'show', 'web-01'], { columns: 120 })
      t.match(shownTarget.stdout, /CHECK-OUT.*\n.*basic +exclusive\n/)
      t.match((await asOwner(gateway, ['role', 'show', 'ops'])).stdout, /^checks out +in sessions.*, 8h at most/m)
      t.match(
        (await withToken(gateway, alice!, ['checkouts'], { columns: 80 })).stdout,
        /ACCOUNT.*STATE.*UNTIL.*WHY.*by cli/s,
      )
      t.match((await withToken(gateway, emil!, ['checkouts'], { columns: 80 })).stdout, /ACCOUNT.*USER.*alice/s)
      t.equal(
        (await withToken(gateway, emil!, ['checkin', id, '--force'])).exit,
        4,
        'nobody has it by being an administrator',
      )
      t.equal((await callApi(gateway, '/v1/sessions', { token: dora!.token })).status, 403, 'nor what is not theirs')
      const forced = await withToken(gateway, dora!, ['checkin', name, '--force'])
      t.match(forced.stdout, new RegExp(`Returned ${name} of alice`), forced.stderr)
      t.match((await audited('check-out.ended')).at(-1), { actor: 'dora', user: 'alice', reason: 'forced' })
      t.equal((await withToken(gateway, alice!, ['checkin', name])).exit, 1)
      t.match((await asOwner(gateway, ['checkout', name])).stderr, /personal token/)
      // Not which is the newest: the test has moved the gateway's clock, and the store has one of its own.
      const ended = async (limit: string) => {
        const listed = await asOwner(gateway, ['checkouts', '--ended', '--limit', limit, '--json'])
        return listed.json<{ checkOuts: { id: string }[] }>().checkOuts.map(({ id }) => id)
      }
      t.equal((await ended('2')).length, 2)
      t.ok((await ended('100')).includes(id))

      await notChanging()
      const identity = await generateX25519Identity()
      const recipient = await identityToRecipient(identity)
      const wrong = await withToken(gateway, alice!, ['checkout', name, '--to-age', recipient, '--stdin'], {
        stdin: '000000\n',
      })
      t.match(wrong, { exit: 4, stderr: /not right/ })
      const shown = await withToken(gateway, alice!, ['checkout', name, '--to-age', recipient, '--stdin'], {
        stdin: `${front.alice.code()}\n`,
      })
      t.equal(shown.exit, 0, shown.stderr)
      const decrypter = new Decrypter()
      decrypter.addIdentity(identity)
      t.match(await decrypter.decrypt(armor.decode(shown.stdout), 'text'), /PRIVATE KEY/)
      t.equal((await withToken(gateway, alice!, ['checkout', name, '--reveal'])).exit, 2, 'not without a terminal')
      t.equal(
        (await post(alice!.token, `${path}/reveal`, { code: front.alice.code(), toAge: recipient })).status,
        409,
        'once',
      )
      t.equal((await withToken(gateway, alice!, ['checkin', name])).exit, 0)
      const openApi = (await callApi(gateway, '/openapi.json')).json<{ paths: Record<string, unknown> }>()
      t.ok(openApi.paths['/v1/own/check-outs/{target}/{account}/reveal'])
    },
  )

  await t.test('in the menu ^O checks the chosen account out and in, and the list says who has it', async t => {
    await gateway.addRole({
      ...{ name: 'ops', targets: { names: ['web-01'] }, accounts: { names: [account] } },
      factors: [['publickey']],
      checkOut: {},
    })
    const { status, stdout } = await inTerminal(
      front,
      [
        { size: [24, 80], expect: '1 account\x1b' },
        { type: '\x0f', expect: '[yours until' },
        { expect: `${name} is yours until` },
        { type: '\x0f', expect: `Returned ${name}` },
        { type: '\x03' },
      ],
      { login: 'alice' },
    ).ended
    t.equal(status, 0, stdout)
    await ask('bob', 'checkout', name)
    const seen = await inTerminal(
      front,
      [{ size: [24, 80], expect: '[taken until' }, { type: '\x0f', expect: 'is checked out until' }, { type: '\x03' }],
      { login: 'alice' },
    ).ended
    t.equal(seen.status, 0, seen.stdout)
    await ask('bob', 'checkin', name)
  })

  await t.test('whoever is disabled has nothing any more', async t => {
    await gateway.addRole({
      ...{ name: 'ops', targets: { names: ['web-01'] }, accounts: { names: [account] } },
      factors: [['publickey']],
      checkOut: {},
    })
    await ask('carol', 'checkout', name)
    const carol = (await parts.users.get('carol'))!
    await parts.users.put({ ...carol, disabled: true })
    await parts.live.accessChanged()
    const ended = async () => (await audited('check-out.ended')).at(-1)
    while ((await ended())?.user !== 'carol') await new Promise(resolve => setTimeout(resolve, 20))
    t.match(await ended(), { user: 'carol', reason: 'access-withdrawn', actor: 'gateway' })
  })
})
