import t from 'tap'
import { TargetLoginFailed, TargetRefusal } from '../../../../src/protocols/postgres/target-side/target-refusal.ts'
import { Secret } from '../../../../src/shared/secret.ts'
import { error } from '../../../support/postgres-bytes.ts'

const PASSWORD = 'tr0ub4dor & größe'

/** The body of an ErrorResponse, and what a person reads of it. */
const body = (sqlstate: string, message: string) => error(sqlstate, message, 'FATAL').subarray(5)
const told = (sqlstate: string, message: string, sentInClear = false) =>
  new TargetLoginFailed(
    'orders',
    new TargetRefusal(body(sqlstate, message)).keeping([new Secret(PASSWORD)], sentInClear),
  )

t.test('what a target says of the login is told as its words, with its SQLSTATE', async t => {
  t.match(told('3D000', 'database "x" does not exist'), {
    code: 'TARGET_LOGIN_FAILED',
    message: 'The target orders says: database "x" does not exist [SQLSTATE 3D000]',
    sqlstate: '3D000',
  })
  t.match(told('08P01', 'unsupported startup parameter: jit'), { sqlstate: '08P01', message: /parameter: jit/ })
})

t.test('what it says of the shared credential is not', async t => {
  const refused = told('28P01', 'password authentication failed for user "svc@corp"')
  t.equal(refused.message, 'The target orders did not accept the login of this account; ask its administrator.')
  t.equal(refused.sqlstate, undefined)
  t.match((refused.cause as Error).message, 'svc@corp', 'the log has it')
})

t.test('a SQLSTATE that says yes, or that speaks of the own login of the person, is not passed on', async t => {
  for (const sqlstate of ['00000', '01000', '02000', '28000'])
    t.equal(told(sqlstate, 'x').sqlstate, undefined, sqlstate)
  for (const sqlstate of ['', '3D', '3D0000', '3d000', 'é\x1b[m0'])
    t.equal(told(sqlstate, 'x').sqlstate, 'XX000', sqlstate)
})

t.test('the words of a hostile target are one short line without controls', async t => {
  const hostile = told('XX000', `\x1b]0;evil\x07 a\r\nFATAL: \u202eb\u2028c\0${'x'.repeat(10_000)}`)
  t.equal(hostile.message, 'The target orders says: … a FATAL: … c [SQLSTATE XX000]')
  t.ok(told('XX000', '😀'.repeat(5000)).message.length < 700)
  t.ok(new TargetRefusal(body('XX000', 'y'.repeat(60_000))).message.length < 400, 'in the log, too')
})

t.test('words that hold the vaulted secret are withheld, however it is written', async t => {
  const bytes = Buffer.from(PASSWORD)
  for (const written of [
    PASSWORD,
    bytes.toString('hex'),
    `0${bytes.toString('hex').toUpperCase()}`,
    bytes.toString('base64'),
    bytes.toString('base64url'),
    Buffer.concat([Buffer.from('a'), bytes]).toString('base64'),
    `${bytes.toString('base64').slice(0, 3)}${bytes.toString('base64').slice(3)}`,
    encodeURIComponent(PASSWORD),
    bytes.toString('hex').replace(/../g, '%$&'),
    [...PASSWORD].reverse().join(' '),
  ]) {
    const refusal = told('XX000', `the secret is ${written}, ha`)
    t.match(refusal.message, /\(SQLSTATE XX000\); its words are withheld/, written)
    t.notMatch((refusal.cause as Error).message, 'secret is')
  }
  t.notMatch(told('3D000', 'database "x" does not exist').message, 'withheld')
})

t.test('a target that was told the password in the clear is not quoted', async t => {
  t.match(told('XX000', 'rod4bu0rt', true), { message: /words are withheld/, sqlstate: 'XX000' })
})
