/** Our SASLprep against the server's: PostgreSQL keeps a verifier of what it made of a password, and ours must be the same. */

import { createHmac, pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { scramVerifier } from '../../../src/protocols/postgres/rotation/verifier.ts'
import { saslprep } from '../../../src/protocols/postgres/target-side/saslprep.ts'
import * as tables from '../../../src/protocols/postgres/target-side/saslprep-tables.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { run } from '../../support/child.ts'
import { psql } from '../../support/psql.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const derive = promisify(pbkdf2)
const RUNS = Number(process.env.SALLYPORT_TEST_RUNS ?? 600)

const EXAMPLES = [
  'Zu\u0308rich-\u{1f600}',
  'Zu\u0308rich',
  'Z\u00fcrich-\u{1f600}',
  'a\u00a0b',
  '\u00ad',
  '\u0627\u0031',
  '\u06271\u0628',
]

/** Where one of the tables begins or ends, and the neighbours of that. */
function edges(): number[] {
  const all = Object.values(tables)
    .filter(table => typeof table !== 'function')
    .flatMap(table => table.flatMap(([first, last]) => [first - 1, first, last, last + 1]))
  return [...new Set(all)].filter(point => point > 0 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff))
}

/** One edge in each password: alone, beside what is normalised, or beside another edge. */
function passwords(): string[] {
  const points = edges()
  const any = () => String.fromCodePoint(points[Math.floor(Math.random() * points.length)]!)
  const random = Array.from({ length: RUNS }, (_, i) => {
    const one = any()
    return [one, `u\u0308${one}`, `${one}\u0627`, `${one}${any()}`, `\u0627${one}\u0628`][i % 5]!
  })
  return [...EXAMPLES, ...random]
}

t.test('a password gives the verifier that the server stored', async t => {
  const server = await startPostgres()
  t.teardown(() => server.stop())
  const all = passwords()
  const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`
  const input = all.map((password, i) => `create role p${i} password ${quoted(password)};\n`).join('')
  const made = await psql(server.url(), server.superPassword, [], {
    input: `set standard_conforming_strings = on;\n${input}`,
  })
  t.equal(made.stderr, '')
  const verifiers = await psql(server.url(), server.superPassword, [
    `select substr(rolname, 2) || ' ' || rolpassword from pg_authid where rolname ~ '^p[0-9]'`,
  ])
  const lines = verifiers.stdout.split('\n')
  t.equal(lines.length, all.length)
  for (const line of lines) {
    const [, index, iterations, salt, , serverKey] = /^(\d+) SCRAM-SHA-256\$(\d+):(\S+)\$(\S+):(\S+)$/.exec(line)!
    const password = all[Number(index)]!
    const salted = await derive(
      saslprep(Buffer.from(password)),
      Buffer.from(salt!, 'base64'),
      Number(iterations),
      32,
      'sha256',
    )
    const ours = createHmac('sha256', salted).update('Server Key').digest('base64')
    if (ours !== serverKey) t.fail(`U+${[...password].map(c => c.codePointAt(0)!.toString(16)).join(' U+')}`)
  }
})

/** Logs in as each role of the JSON that it is given, by libpq, and prints those that could not. */
const LOG_IN = `
import json, sys, psycopg2
for number, password in json.loads(sys.argv[2]):
    try:
        psycopg2.connect(host="127.0.0.1", port=sys.argv[1], user=f"v{number}", password=password, dbname="postgres").close()
    except psycopg2.Error as error:
        print(number, error)
`

t.test('with a verifier that was computed here, libpq logs in by the password', async t => {
  const server = await startPostgres()
  t.teardown(() => server.stop())
  const anything = fc
    .string({ unit: 'grapheme-composite', minLength: 1, maxLength: 128 })
    .filter(text => !text.includes('\0') && text.isWellFormed())
  const all = [...passwords().slice(0, RUNS / 6), ...fc.sample(anything, RUNS / 6)]
  let input = ''
  for (const [i, password] of all.entries()) {
    const verifier = await scramVerifier(new Secret(password), 4096 + (i % 5))
    input += `create role v${i} login password '${verifier}';\n`
  }
  const made = await psql(server.url(), server.superPassword, [], { input })
  t.equal(made.stderr, '')
  const { stdout } = await run('/usr/bin/python3', [
    '-c',
    LOG_IN,
    String(server.port),
    JSON.stringify([...all.entries()]),
  ])
  t.equal(stdout, '')
})
