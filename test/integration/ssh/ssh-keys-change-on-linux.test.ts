/** The connector `ssh-authorized-keys` on a Linux host behind a real sshd: the new key is added and the old one taken out, and nothing else of the file changes. */

import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { sshAuthorizedKeys } from '../../../src/protocols/ssh/rotation/ssh-authorized-keys.ts'
import type { AccountLogin } from '../../../src/session/connector.ts'
import { publicBlob } from '../../../src/shared/private-key/key-parts.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { WireReader } from '../../../src/shared/ssh-encoding/wire.ts'
import type { CredentialMaterial } from '../../../src/vault/lease.ts'
import { directDialer } from '../../support/direct-dialer.ts'
import { startLinuxHost, whyNoLinuxHost } from '../../support/start-linux-host.ts'

/** `public` as it stands in a file, without a comment. */
interface Key {
  readonly public: string
  readonly material: CredentialMaterial
}

function newKey(type: 'ed25519' | 'ec' = 'ed25519'): Key {
  const { privateKey: pair } =
    type === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519')
  const publicKey = publicBlob(pair)
  const privateKey = new Secret(pair.export({ format: 'der', type: 'pkcs8' }))
  return {
    public: `${new WireReader(publicKey).utf8()} ${publicKey.toString('base64')}`,
    material: { kind: 'private-key', privateKey, publicKey },
  }
}

const skip = whyNoLinuxHost() ?? false
t.test('a Linux host', { skip }, async t => {
  const names = ['one', 'second', 'linked', 'fixed', 'elsewhere', 'nologin', 'files', 'given', 'picky', 'listed']
  const host = await startLinuxHost({
    accounts: names.map(name => ({ name, ...(name === 'nologin' ? { shell: '/usr/sbin/nologin' } : {}) })),
    config: [
      ...['Match User elsewhere', 'AuthorizedKeysFile /etc/ssh/keys/%u'],
      ...['Match User files', 'ForceCommand internal-sftp'],
      ...['Match User picky', 'PubkeyAcceptedAlgorithms ecdsa-sha2-nistp256'],
      'Match all',
    ],
    setup: 'usermod -aG www-data one; mkdir /etc/ssh/keys; cp "$1/sshd_config" /etc/ssh/sshd_config',
  })
  t.teardown(() => host.stop())
  const { target } = host
  const root: AccountLogin = {
    account: host.account('root'),
    material: { kind: 'private-key', privateKey: new Secret(host.rootKey) },
  }
  const dial = () => directDialer(target)
  const signal = AbortSignal.timeout(300_000)
  const file = (name: string) => `${host.folder}/home/${name}/.ssh/authorized_keys`
  const put = (name: string, text: string, path = file(name)) =>
    host.run(
      `mkdir -p -m 700 "$(dirname ${path})"; printf '%s' '${text}' >${path}; chown ${name}: "$(dirname ${path})" ${path}; chmod 600 ${path}`,
    )
  const verify = (name: string, key: Key) =>
    sshAuthorizedKeys.verify({ target, account: host.account(name), material: key.material, dialer: dial() }, signal)
  const asked = (name: string, old: Key | undefined, key: Key, as?: AccountLogin) =>
    ({ target, account: host.account(name), dial, current: old?.material, candidate: key.material, as }) as const
  const change = (...what: Parameters<typeof asked>) => sshAuthorizedKeys.change(asked(...what), signal)
  const finish = (...what: Parameters<typeof asked>) => sshAuthorizedKeys.finish!(asked(...what), signal)

  t.test('the new key is added beside the old one with its options, then the old one goes; all else stays', async t => {
    const [old, key, stranger] = [newKey(), newKey(), newKey()]
    const [before, options] = [`# ours\r\n\n${stranger.public} them\n`, 'from="127.0.0.0/8,::1",no-pty']
    put('one', `${before}${options} ${old.public} the old one`)
    host.run(
      `chmod 640 ${file('one')}; chgrp www-data ${file('one')}; setfacl -m u:games:r ${file('one')}; touch -d 2020-01-01 ${file('one')}`,
    )
    const state = () =>
      host.run(`stat -c '%a %u %g' ${file('one')}; getfacl -cpn ${file('one')}; ls -A "$(dirname ${file('one')})"`)
    const was = state()
    t.same(await change('one', old, key), { result: 'changed' })
    for (const each of [old, key, stranger]) t.same(await verify('one', each), { result: 'works' })
    const added = `${before}${options} ${key.public} one@web-01\r\n${options} ${old.public} the old one`
    t.equal(host.run(`cat ${file('one')}`), added)
    t.same(await change('one', old, key), { result: 'changed' }, 'done twice, it is done')
    t.equal(host.run(`cat ${file('one')}`), added)
    t.same(await finish('one', old, key), { result: 'changed' })
    t.same(await finish('one', old, key), { result: 'changed' }, 'done twice, it is done')
    t.equal(host.run(`cat ${file('one')}`), `${before}${options} ${key.public} one@web-01\r\n`)
    t.same(state(), was)
    t.match(await verify('one', old), { result: 'refused' })
    t.same(await verify('one', key), { result: 'works' })
  })

  t.test('root changes the keys of others, as them in their homes', async t => {
    const [old, key] = [newKey(), newKey('ec')]
    t.same(await change('nologin', undefined, old, root), { result: 'changed' }, 'where there is no file yet')
    t.equal(
      host.run(`stat -c '%a %U' ${file('nologin')} ${file('nologin')}/..`.replace('/authorized_keys/..', '')),
      '600 nologin\n700 nologin\n',
    )
    t.same(await verify('nologin', old), { result: 'works' })
    t.same(await change('nologin', old, key, root), { result: 'changed' })
    t.same(await finish('nologin', old, key, root), { result: 'changed' })
    t.match(await verify('nologin', old), { result: 'refused' })
    t.same(await verify('nologin', key), { result: 'works' })
    host.run(`ln -sfn /root/.ssh ${host.folder}/home/linked/.ssh`)
    const roots = () => host.run('cat /root/.ssh/authorized_keys 2>/dev/null || true')
    const rootsBefore = roots()
    t.match(await change('linked', undefined, key, root), { result: 'not-changed', words: /Permission denied/ })
    t.equal(roots(), rootsBefore)
    const other = newKey()
    put('elsewhere', `${old.public}\n`, '/etc/ssh/keys/elsewhere')
    host.run('chown root /etc/ssh/keys /etc/ssh/keys/elsewhere; chmod 644 /etc/ssh/keys/elsewhere')
    t.match(await change('elsewhere', old, other), { result: 'not-changed', words: /Permission denied/ })
    t.same(await change('elsewhere', old, other, root), { result: 'changed' })
    t.same(await finish('elsewhere', old, other, root), { result: 'changed' })
    t.same(await verify('elsewhere', other), { result: 'works' })
    t.equal(host.run("stat -c '%a %U' /etc/ssh/keys/elsewhere"), '644 root\n')
  })

  t.test('in the second file and twice in it, the old key is found and taken out everywhere', async t => {
    const [old, key] = [newKey(), newKey()]
    put('second', '# nothing here\n')
    put('second', `${old.public} a\n${old.public} b\n`, `${file('second')}2`)
    t.same(await change('second', old, key), { result: 'changed' })
    t.same(await finish('second', old, key), { result: 'changed' })
    t.equal(host.run(`cat ${file('second')}; cat ${file('second')}2`), `# nothing here\n${key.public} second@web-01\n`)
    t.same(await verify('second', key), { result: 'works' })
  })

  t.test('a link, a fixed file, one that is too large, a full disk: said, and nothing changes', async t => {
    const [old, key] = [newKey(), newKey()]
    const text = `${old.public}\n`
    const refused = async (words: RegExp) => {
      t.match(await change('fixed', old, key), { result: 'not-changed', words })
      t.same(await verify('fixed', old), { result: 'works' })
      t.equal(host.run(`ls -A "$(dirname ${file('fixed')})"`).includes('sallyport'), false, 'nothing is left behind')
    }
    put('fixed', text, `${file('fixed')}.real`)
    host.run(`ln -s authorized_keys.real ${file('fixed')}`)
    await refused(/is a link/)
    host.run(`rm ${file('fixed')}; ln ${file('fixed')}.real ${file('fixed')}`)
    await refused(/more than one name/)
    host.run(`rm ${file('fixed')}.real; chattr +i ${file('fixed')}`)
    await refused(/not permitted/)
    host.run(`chattr -i ${file('fixed')}; chmod 500 "$(dirname ${file('fixed')})"`)
    await refused(/Permission denied/)
    host.run(`chmod 700 "$(dirname ${file('fixed')})"; chgrp root ${file('fixed')}; chmod 640 ${file('fixed')}`)
    await refused(/its owner, group or mode cannot be kept/)
    host.run(`chgrp fixed ${file('fixed')}; head -c 300000 /dev/zero | tr '\\0' '#' >>${file('fixed')}`)
    await refused(/more than 262144 bytes/)
    put('fixed', text)
    host.run(
      `d="$(dirname ${file('fixed')})"; cp -a $d /run/kept; mount -t tmpfs -o size=8k,mode=700,uid=$(id -u fixed) tmpfs $d; cp -a /run/kept/. $d`,
    )
    host.run(`head -c 100000 /dev/zero >"$(dirname ${file('fixed')})/full" || true`)
    await refused(/No space left/)
    host.run(`umount "$(dirname ${file('fixed')})"; chmod 400 ${file('fixed')}`)
    t.same(await change('fixed', old, key), { result: 'changed' }, 'read-only for its owner is no obstacle')
    t.equal(host.run(`stat -c %a ${file('fixed')}`), '400\n')
  })

  t.test('an account that may use SFTP alone changes its keys by that', async t => {
    const [old, key, next] = [newKey(), newKey(), newKey()]
    put('files', `# here\nno-pty ${old.public}`)
    host.run(`chmod 440 ${file('files')}`)
    t.same(await change('files', old, key), { result: 'changed' })
    t.same(await verify('files', key), { result: 'works' })
    t.same(await finish('files', old, key), { result: 'changed' })
    t.match(await verify('files', old), { result: 'refused' })
    t.equal(host.run(`cat ${file('files')}`), `# here\nno-pty ${key.public} files@web-01\n`)
    t.equal(
      host.run(`stat -c '%a %U %G' ${file('files')}; ls -A "$(dirname ${file('files')})"`),
      '440 files files\nauthorized_keys\n',
    )
    host.run(`chmod 500 "$(dirname ${file('files')})"`)
    t.match(await change('files', key, next), { result: 'not-changed', words: /Permission denied/ })
    host.run(`d="$(dirname ${file('files')})"; chmod 700 $d; mv ${file('files')} $d/real; ln -s real ${file('files')}`)
    t.match(await change('files', key, next), { result: 'not-changed', words: /is a link/ })
    t.equal(host.run(`ls -A "$(dirname ${file('files')})"`), 'authorized_keys\nreal\n')
  })

  t.test('given up at any moment, the file is whole: as it was, or with the new key', async t => {
    for (const name of ['given', 'files']) {
      const [old, key] = [newKey(), newKey()]
      host.run(`rm -rf "$(dirname ${file(name)})"`)
      const before = `# ${'-'.repeat(20_000)}\n${old.public}\n`
      const after = before.replace(old.public, `${key.public} ${name}@web-01\n${old.public}`)
      let wasCut = 0
      for (let ms = 20; ms < 1000; ms = Math.ceil(ms * 1.25)) {
        put(name, before)
        const result = await sshAuthorizedKeys.change(asked(name, old, key), AbortSignal.timeout(ms))
        const now = host.run(`cat ${file(name)}`)
        if (result.result === 'changed') t.equal(now, after)
        else wasCut += t.ok([before, after].includes(now), `cut after ${ms} ms`) ? 1 : 0
      }
      t.ok(wasCut > 0)
      t.same(await change(name, old, key), { result: 'changed' })
      t.equal(host.run(`cat ${file(name)}`), after)
    }
  })

  t.test('a kind of key that the target does not take is said before anything changes', async t => {
    const [old, key] = [newKey('ec'), newKey()]
    put('picky', `${old.public}\n`)
    t.match(await change('picky', old, key, root), { result: 'not-changed', words: /takes no ssh-ed25519 keys/ })
    t.equal(host.run(`cat ${file('picky')}`), `${old.public}\n`)
    t.match(await verify('picky', key), { result: 'refused', words: /refused publickey.*ssh-ed25519/ })
  })

  t.test('a key that no file lets in is not changed', async t => {
    const [old, key] = [newKey(), newKey()]
    put('listed', `# none\n`)
    host.run(`printf '%s\\n' '${old.public}' >/etc/ssh/keys/listed`)
    t.match(await change('listed', old, key, root), { result: 'not-changed', words: /stands in none of/ })
    t.match(await change('listed', old, key), { result: 'not-changed', words: /cannot log in/ })
    t.match(await finish('listed', old, key, root), { result: 'not-changed', words: /the old one stays/ })
  })
})
