import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import {
  codeOfStep,
  generateTotpSecret,
  isSameCode,
  matchingStep,
  stepAt,
  totpUrl,
} from '../../../../src/identity/factors/totp.ts'

/** `12345678901234567890` of RFC 6238, Appendix B, in base 32. */
const RFC_SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'

t.test('the codes are those of RFC 6238, Appendix B', async t => {
  const vectors: [number, string][] = [
    [59, '94287082'],
    [1111111109, '07081804'],
    [1111111111, '14050471'],
    [1234567890, '89005924'],
    [2000000000, '69279037'],
    [20000000000, '65353130'],
  ]
  for (const [seconds, eightDigits] of vectors) {
    t.equal(codeOfStep(RFC_SECRET, stepAt(seconds * 1000)), eightDigits.slice(2), `at ${seconds} s`)
  }
})

t.test('the codes are those that RFC 4226 computes with node:crypto, at any step', async t => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 40 }), step => {
      const counter = Buffer.alloc(8)
      counter.writeBigUInt64BE(BigInt(step))
      const mac = createHmac('sha1', '12345678901234567890').update(counter).digest()
      const number = (mac.readUInt32BE(mac[19]! & 15) & 0x7fffffff) % 1_000_000
      t.equal(codeOfStep(RFC_SECRET, step), String(number).padStart(6, '0'))
    }),
  )
})

t.test('a code is right for its own step and one to either side', async t => {
  const now = 1_800_000_015_000
  const step = stepAt(now)
  const offsets = [-2, -1, 0, 1, 2]
  t.same(
    offsets.map(offset => matchingStep(RFC_SECRET, codeOfStep(RFC_SECRET, step + offset), now)),
    [undefined, step - 1, step, step + 1, undefined],
  )
})

t.test('only six digits are a code; a space between them does not matter', async t => {
  t.ok(isSameCode('012345', '012345'))
  t.ok(isSameCode('012345', '012 345'))
  for (const typed of ['', '12345', '0012345', '012345\n', '01234x', '٠١٢٣٤٥', '      ', '-12345', '12345.']) {
    t.notOk(isSameCode('012345', typed), JSON.stringify(typed))
  }
})

t.test('each secret is 160 random bits, and its URL is one that apps understand', async t => {
  const secrets = Array.from({ length: 20 }, generateTotpSecret)
  t.equal(new Set(secrets).size, 20)
  for (const secret of secrets) t.match(secret, /^[A-Z2-7]{32}$/)
  const url = new URL(totpUrl('alice', secrets[0]!))
  t.equal(`${url.protocol}//${url.host}${url.pathname}`, 'otpauth://totp/Sallyport:alice')
  t.equal(url.searchParams.get('secret'), secrets[0])
  t.equal(url.searchParams.get('issuer'), 'Sallyport')
})
