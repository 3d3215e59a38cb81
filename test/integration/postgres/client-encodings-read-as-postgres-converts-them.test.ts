/** A statement in any client encoding is recorded in the characters that the server itself makes of its bytes. */

import { setImmediate } from 'node:timers/promises'
import pg from 'pg'
import t from 'tap'
import { clientEncodingOf, ENCODINGS } from '../../../src/protocols/postgres/capture/values/client-encoding.ts'
import { frame, query, RawClient } from '../../support/postgres-bytes.ts'
import { logIn, startPostgresFront } from '../../support/postgres-front.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const server = await startPostgres()
t.teardown(() => server.stop())
const client = new pg.Client({ connectionString: server.url() })
await client.connect()
t.teardown(() => client.end())
await client.query(`
  create function reads(b bytea, encoding text) returns text language plpgsql as
    'begin return convert_from(b, encoding); exception when others then return null; end';
  create function writes(t text, encoding text) returns bytea language plpgsql as
    'begin return convert_to(t, encoding); exception when others then return null; end'`)

/** Every single byte, every pair of bytes, all of three and four in EUC, and what convert_to makes of every 37th code point. */
const CANDIDATES = `
  select set_byte('\\x00', 0, a) b from generate_series(128, 255) a
  union all select set_byte(set_byte('\\x0000', 0, a), 1, z) from generate_series(128, 255) a, generate_series(33, 255) z where $2
  union all select p || set_byte(set_byte('\\x0000', 0, a), 1, z)
    from unnest($3::bytea[]) p, generate_series(161, 254) a, generate_series(161, 254) z
  union all select writes(chr(n), $1) from generate_series(160, 1114111, 37) n where $2 and n not between 55296 and 57343`
const LONG: Record<string, Buffer[]> = {
  EUC_JP: [Buffer.from([0x8f])],
  EUC_JIS_2004: [Buffer.from([0x8f])],
  EUC_TW: Array.from({ length: 16 }, (_, i) => Buffer.from([0x8e, 0xa1 + i])),
}

for (const name of ['LATIN1', 'UTF8', ...Object.keys(ENCODINGS)]) {
  t.test(`every byte and pair of bytes in ${name} is the character that the server makes of it`, async t => {
    const encoding = clientEncodingOf(name)
    const wide = ENCODINGS[name]?.width !== undefined || name === 'UTF8'
    const { rows } = await client.query<{ b: Buffer; t: string | null }>(
      `select b, reads(b, $1) t from (${CANDIDATES}) candidates where b is not null`,
      [name, wide, LONG[name] ?? []],
    )
    // For some of BIG5 it has none itself.
    const wrong = rows.filter(({ b, t }) => t !== null && t !== '\ufffd' && encoding.decode(b).text !== t)
    t.equal(rows.filter(({ t }) => t !== null).length > 80, true)
    t.same(wrong.slice(0, 5), [], `${wrong.length} differ`)
  })
}

t.test('a session is recorded in its own encoding, whatever it is and however it was called', async t => {
  const front = await startPostgresFront({
    target: { port: server.port },
    account: server.superuser,
    password: server.superPassword,
    allowPlaintextFromLoopback: true,
  })
  t.teardown(() => front.close())
  const samples = [...'€“”–şÄñЖω\u05e9\u0628ก\u3042漢\ud55cｱァ─©']
  const names = ['latin1', 'iso-8859-16', 'Windows-1252', 'windows932', 'mskanji', 'KOI8', ...Object.keys(ENCODINGS)]
  const recorded = async (count: number) => {
    while (front.statements().length < count) await setImmediate()
  }
  const raw = await RawClient.to(front.port)
  await logIn(raw)
  for (const name of names) {
    raw.socket.write(query(`set client_encoding to '${name}'`))
    await recorded(2 * names.indexOf(name) + 1)
    const { rows } = await client.query<{ t: string; b: Buffer }>(
      `select t, writes(t, $1) b from unnest($2::text[]) t where reads(writes(t, $1), $1) = t`,
      [name, samples],
    )
    const said = rows.map(({ t }) => t).join('')
    raw.socket.write(frame('Q', Buffer.from("select '"), ...rows.map(({ b }) => b), Buffer.from("' as said\0")))
    await recorded(2 * names.indexOf(name) + 2)
    const { text, undecoded } = front.statements().at(-1)!
    t.ok(said.length >= 1, `${name} has ${said}`)
    t.equal(text, `select '${said}' as said`, name)
    t.equal(undecoded, undefined)
  }
})

t.test('bytes that are no text in the encoding are kept, and it is said', async t => {
  for (const [name, hex] of [
    ['UTF8', 'c3'],
    ['ISO_8859_8', 'a1'],
    ['SJIS', '95'],
    ['EUC_TW', '8eff'],
    ['MULE_INTERNAL', '81e9'],
    ['NOT_KNOWN_YET', 'e9'],
  ] as const) {
    const bytes = Buffer.from(hex, 'hex')
    t.same(clientEncodingOf(name).decode(bytes), { text: bytes.toString('latin1'), exact: false }, name)
  }
  t.same(clientEncodingOf('SQL_ASCII').decode(Buffer.from('é')), { text: 'é', exact: true })
})
