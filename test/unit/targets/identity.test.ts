import fc from 'fast-check'
import t from 'tap'
import { generateKeyPair } from '../../../src/protocols/ssh/transport/generate-key-pair.ts'
import { generateTlsCertificate } from '../../../src/shared/tls/issue-certificate.ts'
import { fingerprintOf, identityOf, staysWithin } from '../../../src/targets/identity.ts'
import { type TargetInput, targetSchema } from '../../../src/targets/target.ts'

const [one, two, three] = Array.from({ length: 3 }, () => generateKeyPair('ed25519').public.trim()) as [
  string,
  string,
  string,
]
const [caOne, caTwo] = await Promise.all(
  [1, 2].map(async () => (await generateTlsCertificate(['ca'], Date.now())).cert),
)

type Changes<P> = Partial<Extract<TargetInput, { protocol: P }>>
const ssh = (changes: Changes<'ssh'> = {}, account = 'root') =>
  identityOf(
    targetSchema.parse({ name: 'web-01', protocol: 'ssh', host: 'web', hostKeys: [one, two], ...changes }),
    account,
  )
const postgres = (changes: Changes<'postgres'> = {}) =>
  identityOf(targetSchema.parse({ name: 'orders', protocol: 'postgres', host: 'db', ...changes }), 'app')

t.test('what is no part of the identity does not change it', async t => {
  const same = [
    ssh(),
    ssh({ hostKeys: [two, `${one} a comment`] }),
    ssh({ labels: { env: 'test' }, description: 'x' }),
    ssh({
      accounts: [
        { name: 'root', level: 'system', default: true },
        { name: 'other', login: 'x' },
      ],
    }),
    ssh({ authentication: ['password', 'publickey', 'keyboard-interactive'] }),
  ]
  t.equal(new Set(same.map(fingerprintOf)).size, 1)
  t.equal(
    fingerprintOf(postgres()),
    fingerprintOf(postgres({ database: 'x', serverName: 'db', scramIterations: { max: 5000 } })),
  )
})

t.test('a change by which a secret could go elsewhere, or be given away, is not within what was confirmed', async t => {
  for (const now of [
    ssh({ host: 'evil' }),
    ssh({ port: 2222 }),
    ssh({ hostKeys: [one, two, three] }),
    ssh({ hostKeys: [three] }),
    ssh({ accounts: [{ name: 'root', login: 'mallory' }] }),
    ssh({ authentication: ['none'] }),
    postgres(),
  ])
    t.notOk(staysWithin(now, ssh()), JSON.stringify(now))
  const confirmed = postgres({ ca: caOne! })
  for (const changes of [
    { host: 'evil' },
    { port: 1 },
    { tls: 'verify-ca' },
    { tls: 'disable' },
    { ca: caTwo! },
    { ca: `${caOne}${caTwo}` },
    { ca: `${caOne}${caTwo!.replaceAll(' CERTIFICATE', ' TRUSTED CERTIFICATE')}` },
    { ca: undefined },
    { serverName: 'evil' },
    { authentication: ['scram-sha-256', 'password'] },
    { channelBinding: 'disable' },
    { scramIterations: { min: 1 } },
    { accounts: [{ name: 'app', login: 'mallory' }] },
  ] as Changes<'postgres'>[])
    t.notOk(staysWithin(postgres({ ca: caOne!, ...changes }), confirmed), JSON.stringify(changes).slice(0, 60))
  t.notOk(staysWithin(confirmed, postgres()), "an authority of one's own is not stricter than the system's")
  t.notOk(staysWithin(postgres({ tls: 'require' }), postgres({ tls: 'require', ca: caOne! })))
})

t.test('what only gets stricter is within what was confirmed, and not the other way round', async t => {
  for (const [strict, loose] of [
    [ssh({ hostKeys: [one] }), ssh()],
    [ssh({ hostKeys: [] }), ssh()],
    [ssh({ authentication: ['publickey'] }), ssh()],
    [postgres({ tls: 'verify-full' }), postgres({ tls: 'disable' })],
    [postgres({ tls: 'verify-full', ca: caOne! }), postgres({ tls: 'prefer' })],
    [postgres({ tls: 'verify-full', ca: caOne!, serverName: 'x' }), postgres({ tls: 'verify-ca', ca: caOne! })],
    [postgres({ tls: 'verify-ca', ca: caOne! }), postgres({ tls: 'verify-ca', ca: `${caTwo}\n# a comment\n${caOne}` })],
    [postgres({ channelBinding: 'require' }), postgres()],
    [postgres({ scramIterations: { min: 5000 } }), postgres()],
    [postgres(), postgres({ authentication: ['scram-sha-256', 'md5'] })],
  ] as const) {
    t.ok(staysWithin(strict, loose), JSON.stringify(strict))
    t.notOk(staysWithin(loose, strict), JSON.stringify(loose))
  }
})

t.test('within is an order: everything is within itself, and what is within each other is the same', async () => {
  const some = fc.subarray([one, two, three])
  const identity = fc
    .record({
      hostKeys: some,
      authentication: fc.subarray(['publickey', 'password', 'none'] as const, { minLength: 1 }),
      port: fc.integer({ min: 1, max: 2 }),
    })
    .map(ssh)
  fc.assert(
    fc.property(identity, identity, identity, (a, b, c) => {
      if (!staysWithin(a, a)) return false
      if (staysWithin(a, b) && staysWithin(b, c) && !staysWithin(a, c)) return false
      return (staysWithin(a, b) && staysWithin(b, a)) === (fingerprintOf(a) === fingerprintOf(b))
    }),
  )
})

t.test('an entry that cannot be read is an identity, and no other one', async t => {
  const stored = {
    name: 'web-01',
    protocol: 'ssh',
    host: 'web',
    hostKeys: ['nonsense', 'sk-ssh-ed25519@openssh.com AAAA'],
  }
  const broken = identityOf(targetSchema.parse(stored), 'root')
  t.ok(staysWithin(broken, broken))
  t.notOk(staysWithin(broken, ssh()))
  for (const ca of ['', 'nonsense', caOne!.slice(0, 200), caOne!.replace('MII', 'XXX')]) {
    t.notOk(staysWithin(postgres({ ca }), postgres({ ca: caOne! })), ca.slice(0, 40))
  }
})

t.test(
  'an empty name in the certificate is none: it means the host wherever it is read, also where that moved',
  async t => {
    const confirmed = postgres({ serverName: '' })
    t.equal(fingerprintOf(confirmed), fingerprintOf(postgres()))
    t.match(confirmed, { serverName: 'db' })
    t.notMatch(postgres({ host: 'evil', serverName: '' }), { serverName: 'db' })
  },
)

t.test('an account that is in an entry twice has no login that was confirmed', async t => {
  const twice = ssh({ accounts: [{ name: 'root' }, { name: 'root', login: 'mallory', default: true }] })
  t.notOk(staysWithin(twice, ssh()))
})
