import fc from 'fast-check'
import t from 'tap'
import {
  readAuthentication,
  readBackendKeyData,
  readError,
  readParameterStatus,
  rowsOfTag,
} from '../../../../src/protocols/postgres/wire/server-answers.ts'
import { GatewayError } from '../../../../src/shared/errors.ts'
import { cstring, error, int32 } from '../../../support/postgres-bytes.ts'

t.test('an error is read by its fields, with the severity that is not translated', async t => {
  const body = Buffer.concat([...['SFEHLER', 'VERROR', 'C42P01', 'Mno such table', 'R1'].map(cstring), Buffer.alloc(1)])
  t.same(readError(body), { severity: 'ERROR', sqlstate: '42P01', message: 'no such table' })
  t.same(readError(error('57P01', 'bye', 'FATAL').subarray(5)), {
    severity: 'FATAL',
    sqlstate: '57P01',
    message: 'bye',
  })
})

t.test('the authentication requests are told apart', async t => {
  t.same(readAuthentication(int32(0)), { kind: 'ok' })
  t.same(readAuthentication(int32(3)), { kind: 'cleartext' })
  t.same(readAuthentication(Buffer.concat([int32(5), Buffer.from('salt')])), { kind: 'md5', salt: Buffer.from('salt') })
  const sasl = Buffer.concat([int32(10), cstring('SCRAM-SHA-256-PLUS'), cstring('SCRAM-SHA-256'), Buffer.alloc(1)])
  t.same(readAuthentication(sasl), { kind: 'sasl', mechanisms: ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'] })
  t.same(readAuthentication(int32(7)), { kind: 'other', code: 7 })
})

t.test('command tags tell rows where they have any', async t => {
  t.equal(rowsOfTag('INSERT 0 5'), 5)
  t.equal(rowsOfTag('SELECT 12'), 12)
  t.equal(rowsOfTag('CREATE TABLE'), undefined)
  t.equal(rowsOfTag('BEGIN'), undefined)
})

t.test('a hostile body is refused: it never hangs, never reads past its end', async () => {
  const readers = [
    readAuthentication,
    readBackendKeyData,
    (body: Buffer) => readError(body),
    (body: Buffer) => readParameterStatus(body),
  ]
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(4), (bytes, code) => {
      for (const read of readers) {
        try {
          read(Buffer.concat([int32(code === 4 ? 10 : code), Buffer.from(bytes)]))
          read(Buffer.from(bytes))
        } catch (thrown) {
          if (!(thrown instanceof GatewayError)) throw thrown
        }
      }
    }),
  )
})
