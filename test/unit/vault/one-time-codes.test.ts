import fc from 'fast-check'
import t from 'tap'
import { CODE_ALGORITHMS, oneTimeCode, type TotpSeed } from '../../../src/shared/one-time-code.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { acceptMaterial, decodeMaterial, encodeMaterial } from '../../../src/vault/credential.ts'
import { createOneTimeCodes } from '../../../src/vault/one-time-codes.ts'
import { parseTotpSeed } from '../../../src/vault/totp-seed.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'
import { standingClock } from '../../support/identity-parts.ts'

const ROOT = { account: 'root', target: 'web-01' }
const seed = parseTotpSeed('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ')

t.test('codes are those of RFC 6238, appendix B', async t => {
  const secretOf = { sha1: 20, sha256: 32, sha512: 64 }
  const expected: [number, Record<TotpSeed['algorithm'], string>][] = [
    [59, { sha1: '94287082', sha256: '46119246', sha512: '90693936' }],
    [1111111109, { sha1: '07081804', sha256: '68084774', sha512: '25091201' }],
    [20000000000, { sha1: '65353130', sha256: '77737706', sha512: '47863826' }],
  ]
  for (const [seconds, codes] of expected) {
    for (const algorithm of CODE_ALGORITHMS) {
      const secret = new Secret('1234567890'.repeat(7).slice(0, secretOf[algorithm]))
      const code = oneTimeCode({ secret, algorithm, digits: 8, period: 30 }, Math.floor(seconds / 30))
      t.equal(code, codes[algorithm])
    }
  }
})

t.test('a seed is read as people copy it, and what it cannot be is said without showing it', async t => {
  const text = '12345678901234567890'
  for (const given of [
    'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
    ' gezd gnbv gy3t qojq gezd gnbv gy3t qojq\n',
    'GEZD-GNBV-GY3T-QOJQ-GEZD-GNBV-GY3T-QOJQ====',
    'otpauth://totp/web-01:root?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=web-01',
  ]) {
    t.match(
      { ...parseTotpSeed(given), secret: parseTotpSeed(given).secret.reveal() },
      {
        ...{ secret: text, algorithm: 'sha1', digits: 6, period: 30 },
      },
    )
  }
  const other = parseTotpSeed(
    'otpauth://totp/x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&algorithm=SHA256&digits=8&period=60',
  )
  t.match(other, { algorithm: 'sha256', digits: 8, period: 60 })
  for (const [given, why] of [
    ['otpauth://hotp/x?secret=GEZDGNBVGY3TQOJQ&counter=1', /codes by time/],
    ['otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&digits=9', /digits must be a whole number from 6 to 8/],
    ['otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&period=0', /period/],
    ['otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&algorithm=MD5', /SHA1, SHA256 and SHA512/],
    ['GEZDGNBVGY3TQOJ0', /base 32/],
    ['otpauth://[', /no address/],
  ] as const) {
    t.throws(() => parseTotpSeed(given), { code: 'BAD_REQUEST', message: why })
    t.throws(() => parseTotpSeed(given), { message: /^(?!.*GEZD)/s })
  }
  for (const short of ['', 'GEZDGNBV', 'otpauth://totp/x']) {
    const material = { kind: 'password', password: new Secret('p'), totp: parseTotpSeed(short) } as const
    await t.rejects(acceptMaterial(material), { code: 'BAD_REQUEST', message: /must have 10 to 128/ })
  }
})

t.test('any text is a seed or refused by name', async () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map(text => `otpauth://totp/${text}`),
      ),
      text => {
        try {
          return parseTotpSeed(text).secret.byteLength >= 0
        } catch (error) {
          return (error as { code?: string }).code === 'BAD_REQUEST'
        }
      },
    ),
  )
})

t.test('material is sealed and opened with its seed, and without', async t => {
  const anySecret = fc.uint8Array({ minLength: 10, maxLength: 128 }).map(bytes => new Secret(bytes))
  const totp = fc.record({
    secret: anySecret,
    algorithm: fc.constantFrom(...CODE_ALGORITHMS),
    digits: fc.integer({ min: 6, max: 8 }),
    period: fc.integer({ min: 10, max: 300 }),
  })
  const login = fc.option(fc.string({ unit: 'grapheme', maxLength: 20 }), { nil: undefined })
  fc.assert(
    fc.property(anySecret, fc.option(totp, { nil: undefined }), fc.boolean(), login, (secret, codes, isKey, name) => {
      const material = {
        ...(isKey
          ? ({ kind: 'private-key', privateKey: secret, publicKey: Buffer.from('public') } as const)
          : ({ kind: 'password', password: secret } as const)),
        ...(codes === undefined ? {} : { totp: codes }),
        ...(name === undefined ? {} : { login: name }),
      }
      const opened = decodeMaterial(encodeMaterial(material))
      const plain = ({ kind, totp, ...rest }: typeof opened) => ({
        ...{ kind, totp: totp && { ...totp, secret: totp.secret.revealBytes().toString('hex') } },
        ...Object.fromEntries(
          Object.entries(rest).map(([name, value]) => [name, value instanceof Secret ? value.revealBytes() : value]),
        ),
      })
      t.strictSame(plain(opened), plain(material))
    }),
    { numRuns: 40 },
  )
})

const promise = 'no code is given out twice, whoever asks, and nobody waits for longer than a minute'
t.teardown(stopStores)
eachStore(t, promise, async (t, store) => {
  const database = await store.open()
  const clock = standingClock()
  // The gateway's clock stands in the middle of a step: who must wait for the next one waits until the test is over.
  const waiting = new AbortController()
  const codes = [1, 2].map(() => createOneTimeCodes({ database, clock }))
  const step = () => Math.floor(clock.now() / 30_000)
  const lastStep = async () =>
    Number((await database.selectFrom('code_steps').selectAll().executeTakeFirst())?.last_step)

  t.equal((await codes[0]!.next(ROOT, seed, waiting.signal)).reveal(), oneTimeCode(seed, step()))
  // Which of them comes first is the store's to say: two wait, and the third is told at once.
  const asked = [1, 0, 1].map(gateway =>
    codes[gateway]!.next(ROOT, seed, waiting.signal).then(
      () => undefined,
      error => error,
    ),
  )
  t.match(await Promise.race(asked), { code: 'CREDENTIAL_UNAVAILABLE', message: /try again/ })
  t.equal(await lastStep(), step() + 2)
  t.equal(
    (await codes[0]!.next({ ...ROOT, target: 'web-02' }, seed, waiting.signal)).byteLength,
    6,
    'of another account',
  )
  waiting.abort()
  t.same((await Promise.all(asked)).map(error => error?.name).sort(), ['AbortError', 'AbortError', 'GatewayError'])

  clock.move(90_000)
  t.equal((await codes[1]!.next(ROOT, seed, new AbortController().signal)).reveal(), oneTimeCode(seed, step()))
  // A clock that was wrong by a year does not shut the account off for one.
  clock.move(-365 * 86_400_000)
  t.equal((await codes[1]!.next(ROOT, seed, new AbortController().signal)).reveal(), oneTimeCode(seed, step()))
})
