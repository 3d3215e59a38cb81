import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { createScramClient, tlsServerEndPoint } from '../../../../src/protocols/postgres/target-side/scram.ts'
import { Secret } from '../../../../src/shared/secret.ts'
import { generateTlsCertificate } from '../../../../src/shared/tls/issue-certificate.ts'

// RFC 7677 §3, but for the user name, which PostgreSQL takes from the startup message.
const NONCE = 'rOprNGfwEbeRWgbNEkqO'
const SERVER_FIRST = 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'

const anyCost = () => {}

t.test('the exchange is computed as the RFC says, and the server must prove that it knows the password', async t => {
  const { createHash, createHmac, pbkdf2Sync } = await import('node:crypto')
  const scram = createScramClient('n', anyCost, NONCE)
  t.equal(scram.first, `n,,n=,r=${NONCE}`)
  t.notOk(scram.proves('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='), 'not before the exchange')
  const final = await scram.final(SERVER_FIRST, new Secret('pencil'))

  const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const salted = pbkdf2Sync('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), 4096, 32, 'sha256')
  const transcript = `n=,r=${NONCE},${SERVER_FIRST},${final.slice(0, final.indexOf(',p='))}`
  const clientKey = hmac(salted, 'Client Key')
  const mask = hmac(createHash('sha256').update(clientKey).digest(), transcript)
  const proof = Buffer.from(clientKey.map((byte, i) => byte ^ mask[i]!)).toString('base64')
  t.equal(final, `c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=${proof}`)
  const signature = hmac(hmac(salted, 'Server Key'), transcript)
  t.ok(scram.proves(`v=${signature.toString('base64')}`))
  signature[0]! ^= 1
  t.notOk(scram.proves(`v=${signature.toString('base64')}`))
  t.notOk(scram.proves('e=invalid-proof'))
  t.notOk(scram.proves(''))
})

t.test('a server that replays or shortens the nonce, or asks for no work, is refused', async t => {
  for (const hostile of [
    SERVER_FIRST.replace('rOprN', 'XXXXX'),
    `r=${NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
    SERVER_FIRST.replace('4096', '0'),
    '',
    'x'.repeat(10_000),
  ]) {
    const scram = createScramClient('n', anyCost, NONCE)
    await t.rejects(scram.final(hostile, new Secret('pencil')), { code: 'PROTOCOL_VIOLATION' })
  }
})

t.test('the cost is judged before the password is touched', async t => {
  const costs: number[] = []
  const refuse = (iterations: number) => {
    costs.push(iterations)
    throw new Error('too dear')
  }
  const untouched = { revealBytes: () => t.fail('the password was read') } as unknown as Secret
  const scram = createScramClient('n', refuse, NONCE)
  await t.rejects(scram.final(SERVER_FIRST.replace('4096', '2147483647'), untouched), { message: 'too dear' })
  t.same(costs, [2_147_483_647])
})

t.test('channel binding goes into the proof', async t => {
  const scram = createScramClient(Buffer.from('the certificate'), anyCost, NONCE)
  t.equal(scram.mechanism, 'SCRAM-SHA-256-PLUS')
  const bound = Buffer.from('p=tls-server-end-point,,the certificate').toString('base64')
  t.match(await scram.final(SERVER_FIRST, new Secret('pencil')), `c=${bound},`)
})

t.test('the certificate is hashed by the hash of its signature', async t => {
  const { cert } = await generateTlsCertificate(['localhost'], Date.now())
  const { raw, signatureAlgorithm, fingerprint256 } = new X509Certificate(cert)
  t.equal(signatureAlgorithm, 'ecdsa-with-SHA256')
  t.equal(tlsServerEndPoint(raw)?.toString('hex'), fingerprint256.replaceAll(':', '').toLowerCase())
})
