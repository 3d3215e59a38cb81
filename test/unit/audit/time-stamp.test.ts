/** Against `openssl ts`: what it signs is taken, and nothing else. */

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { encodeTimeStampRequest, tokenOfResponse, verifyTimeStamp } from '../../../src/audit/heads/time-stamp.ts'
import { startTsa } from '../../support/start-tsa.ts'

const tsa = await startTsa()
t.teardown(() => tsa.stop())
const trusted = readFileSync(tsa.ca, 'utf8')
const hash = createHash('sha256').update('a head').digest()

t.test('a stamp of the authority is good, and says when', async t => {
  for (let round = 0; round < 20; round++) {
    const { request, nonce } = encodeTimeStampRequest(hash)
    const before = Math.floor(Date.now() / 1000) * 1000
    const token = tokenOfResponse(tsa.reply(request))
    const { time, authority } = verifyTimeStamp(token, { hash, nonce, trusted })
    t.ok(time.getTime() >= before && time.getTime() <= Date.now() + 1000)
    t.equal(authority, 'CN=Test time stamps')
  }
})

t.test('the token is one that openssl verifies too', async t => {
  const folder = t.testdir()
  const token = tokenOfResponse(tsa.reply(encodeTimeStampRequest(hash).request))
  writeFileSync(join(folder, 'token'), token)
  const words = [
    'ts',
    '-verify',
    '-token_in',
    '-in',
    join(folder, 'token'),
    '-digest',
    hash.toString('hex'),
    '-CAfile',
    tsa.ca,
  ]
  t.match(spawnSync('openssl', words).stdout.toString(), /Verification: OK/)
})

t.test('an authority with elliptic curves is understood', async t => {
  const other = await startTsa(['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'])
  t.teardown(() => other.stop())
  const { request, nonce } = encodeTimeStampRequest(hash)
  const token = tokenOfResponse(other.reply(request))
  t.ok(verifyTimeStamp(token, { hash, nonce, trusted: readFileSync(other.ca, 'utf8') }))
  t.throws(() => verifyTimeStamp(token, { hash, nonce, trusted }), /does not lead to one that is trusted/)
})

t.test('a stamp of another hash, for another request, or that was altered is refused', async t => {
  const { request, nonce } = encodeTimeStampRequest(hash)
  const token = tokenOfResponse(tsa.reply(request))
  const otherHash = createHash('sha256').update('another').digest()
  t.throws(() => verifyTimeStamp(token, { hash: otherHash, nonce, trusted }), /another hash/)
  t.throws(
    () => verifyTimeStamp(token, { hash, nonce: encodeTimeStampRequest(hash).nonce, trusted }),
    /another request/,
  )
  let taken = 0
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const altered = Buffer.from(token)
      altered[at]! ^= change
      try {
        const { time } = verifyTimeStamp(altered, { hash, nonce, trusted })
        // Not everything in a token is signed (versions, the certificates of others); the time is.
        taken++
        return time.getTime() === verifyTimeStamp(token, { hash, nonce, trusted }).time.getTime()
      } catch {
        return true
      }
    }),
    { numRuns: 400 },
  )
  t.ok(taken < 200, `${taken} of 400 changes hit what is not signed`)
})

t.test('a refusal and garbage are told', async t => {
  // PKIStatusInfo with status 2 (rejection).
  t.throws(() => tokenOfResponse(Buffer.from('30053003020102', 'hex')), /refused: status 2/)
  t.throws(() => tokenOfResponse(Buffer.from('<html>')), /not a TimeStampResp/)
  t.throws(() => verifyTimeStamp(Buffer.alloc(0), { hash, trusted }), /not a time-stamp token/)
  fc.assert(
    fc.property(fc.uint8Array(), bytes => {
      try {
        verifyTimeStamp(Buffer.from(bytes), { hash, trusted })
        return false
      } catch (error) {
        return error instanceof Error
      }
    }),
  )
})
