/**
 * Generated SQL, in any encoding and with either setting of standard_conforming_strings: our reading is that of the server, what ran
 * is provable from the recording, and no view shows a planted secret. By hand: SALLYPORT_TEST_RUNS=100000.
 */

import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import fc from 'fast-check'
import pg from 'pg'
import t from 'tap'
import { asPostgresReads } from '../../../src/protocols/postgres/capture/sql/postgres-scanner.ts'
import { tokenize } from '../../../src/protocols/postgres/capture/sql/tokens.ts'
import { clientEncodingOf } from '../../../src/protocols/postgres/capture/values/client-encoding.ts'
import type { FactEvent } from '../../../src/recording/format/events.ts'
import { transcriptLines } from '../../../src/recording/rendering/transcript.ts'
import { frame, query, RawClient } from '../../support/postgres-bytes.ts'
import { logIn, startPostgresFront } from '../../support/postgres-front.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const RUNS = Number(process.env.SALLYPORT_TEST_RUNS ?? 2500)
const SECRET = 'S3cr3tX'
const ENCODINGS = [
  'UTF8',
  'LATIN1',
  'WIN1252',
  'EUC_JP',
  'SJIS',
  'SHIFT_JIS_2004',
  'BIG5',
  'GBK',
  'UHC',
  'GB18030',
  'JOHAB',
] as const
type Encoding = (typeof ENCODINGS)[number]

const target = await startPostgres({
  sql: `create role x; create extension pgcrypto;
    create function writes(t text, encoding text) returns bytea language plpgsql as
      'begin return convert_to(t, encoding); exception when others then return null; end';
    create function reads(b bytea, encoding text) returns text language plpgsql as
      'begin return convert_from(b, encoding); exception when others then return null; end'`,
})
t.teardown(() => target.stop())
const front = await startPostgresFront({
  target: { port: target.port },
  account: target.superuser,
  password: target.superPassword,
  allowPlaintextFromLoopback: true,
})
t.teardown(() => front.close())

/** Of each encoding some characters, first those with a byte in them that alone would be a backslash or a quote. */
const bytesOf = new Map<Encoding, Map<string, Buffer>>()
const superuser = new pg.Client({ connectionString: target.url() })
await superuser.connect()
for (const encoding of ENCODINGS) {
  const { rows } = await superuser.query<{ c: string; b: Buffer }>(
    `select c, b from (select chr(n) c, writes(chr(n), $1) b from generate_series(161, 40000, 7) n
      union select c, writes(c, $1) from unnest('{表,ソ,十,功,許,誠,é,ß,あ}'::text[]) c) q
     where reads(b, $1) = c
     order by case when length(b) > 1 and get_byte(b, 1) in (92, 39, 96, 36) then 0 else 1 end, c limit 12`,
    [encoding],
  )
  bytesOf.set(encoding, new Map(rows.map(({ c, b }) => [c, b])))
}
await superuser.end()

// ---- what is generated ----

const PIECES = [
  "''",
  '\\\\',
  "\\'",
  '"',
  '$$',
  '$a$',
  '--',
  '/*',
  '*/',
  '\n',
  'x',
  ' ',
  ';',
  '1',
  '\\n',
  'é*',
  'é*',
  "'",
  ',',
  'E',
  '(',
  'u&',
]
const inner = fc.array(
  fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...PIECES) }, { weight: 1, arbitrary: fc.constant(SECRET) }),
  { maxLength: 6 },
)
const gap = fc.constantFrom('\n', ' \n ', ' -- c\n', '\n-- it is\n \n', " -- '\n", ' ', '', '/* c */', '/* \n */', '\r')
/** A literal that is continued, of any kind, mostly well-formed. */
const literal = fc
  .tuple(
    fc.constantFrom('', '', '', 'E', 'e', 'N', 'U&', 'u&', 'B', 'X'),
    fc.array(fc.tuple(inner, gap), { minLength: 1, maxLength: 3 }),
    fc.boolean(),
  )
  .map(([prefix, parts, tidy]) => {
    const bodies = parts.map(([pieces]) => {
      const body = pieces.join('')
      if (/^[bx]$/i.test(prefix)) return body.replace(/[^1]/g, '0')
      return tidy ? body.replaceAll("'", "''").replaceAll('\\', '\\\\') : body
    })
    return prefix + bodies.map((body, i) => `'${body}'${i < bodies.length - 1 ? parts[i]![1] : ''}`).join('')
  })
const dollar = fc
  .tuple(fc.constantFrom('', 'a', 'é', 'q1'), inner)
  .map(([tag, pieces]) => `$${tag}$${pieces.join('').replaceAll('$', '')}$${tag}$`)
const value = fc.oneof(
  { weight: 6, arbitrary: literal },
  { weight: 2, arbitrary: dollar },
  { weight: 1, arbitrary: fc.constantFrom('1', '1.5e3', '.5', '1-1', "'a'||'b'") },
)
const name = fc.constantFrom('', ' as mark', ' "mark ""one"""', ' as "mark -- \' x"', ' as märk', ' U&"m\\0061rk"')
const between = fc.constantFrom(', ', ',', ' -- c\n, ', " /* ' */ , ", " /* a /* b */ ' */,", '\n,')
const secretly = fc.constantFrom(
  ...[(v: string) => `select ${v} as password`, (v: string) => `select set_config('app.secret', ${v}, true)`],
  ...[
    (v: string) => `set app.secret = ${v}`,
    (v: string) => `alter role x password ${v}`,
    (v: string) => `select 'a', crypt(${v}, 'ab')`,
  ],
  ...[
    (v: string) => `alter role x password as ${v}`,
    (v: string) => `do $$ begin execute 'set app.secret = ' || quote_literal(${v}); end $$`,
  ],
)
interface Case {
  readonly sql: string
  /** Its literal is a secret. */
  readonly literal?: string
}
const plainCase = fc.array(fc.tuple(value, name, between), { minLength: 1, maxLength: 4 }).map(
  (items): Case => ({
    sql: `select ${items.map(([v, n, b], i) => v + n + (i < items.length - 1 ? b : '')).join('')}`,
  }),
)
const secretCase = fc
  .tuple(secretly, literal, fc.constantFrom('', '; select 1 as mark', " -- it's\n", " /* ' */"))
  .map(([form, text, rest]): Case => {
    const planted = text.includes(SECRET) ? text : text.replace(/'/, `'${SECRET}`)
    return /^[bx]/i.test(text) ? { sql: 'select 1' } : { sql: form(planted) + rest, literal: planted }
  })
const batch = fc.record({
  encoding: fc.constantFrom(...ENCODINGS),
  conforming: fc.boolean(),
  /** The settings are changed in front of the first statement, without waiting for that. */
  inFlight: fc.boolean(),
  cases: fc.array(fc.oneof(plainCase, secretCase), { minLength: 10, maxLength: 25 }),
  salt: fc.nat(),
})

// ---- what is sent, and what comes back ----

interface Answer {
  readonly names: string[]
  readonly rows: (Buffer | null)[][]
  readonly error: boolean
}

class Session {
  readonly #socket: Socket
  #bytes = Buffer.alloc(0)

  constructor(socket: Socket) {
    this.#socket = socket
    socket.removeAllListeners('data')
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
    })
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  /** Up to the next ReadyForQuery. */
  async answer(): Promise<Answer> {
    const answer = { names: [] as string[], rows: [] as (Buffer | null)[][], error: false }
    for (;;) {
      while (this.#bytes.length < 5 || this.#bytes.length < 1 + this.#bytes.readInt32BE(1))
        await once(this.#socket, 'data')
      const end = 1 + this.#bytes.readInt32BE(1)
      const type = String.fromCharCode(this.#bytes[0]!)
      const body = this.#bytes.subarray(5, end)
      this.#bytes = this.#bytes.subarray(end)
      if (type === 'Z') return answer
      if (type === 'E') answer.error = true
      if (type === 'T') answer.names.push(...namesOf(body))
      if (type === 'D') answer.rows.push(valuesOf(body))
    }
  }
}

function namesOf(body: Buffer): string[] {
  const names: string[] = []
  for (let at = 2; names.length < body.readInt16BE(0); ) {
    const end = body.indexOf(0, at)
    names.push(body.toString('latin1', at, end))
    at = end + 19
  }
  return names
}

function valuesOf(body: Buffer): (Buffer | null)[] {
  const values: (Buffer | null)[] = []
  for (let at = 2; values.length < body.readInt16BE(0); ) {
    const length = body.readInt32BE(at)
    values.push(length === -1 ? null : body.subarray(at + 4, at + 4 + length))
    at += 4 + Math.max(0, length)
  }
  return values
}

const raw = await RawClient.to(front.port)
await logIn(raw)
t.teardown(() => raw.socket.destroy())
const session = new Session(raw.socket)
const setting = `set backslash_quote = on; set escape_string_warning = off; set client_min_messages = error`
session.send(query(setting))
await session.answer()
await statements(1)

function written(sql: string, encoding: Encoding): Buffer {
  const known = bytesOf.get(encoding)!
  return Buffer.concat([...sql].map(character => known.get(character) ?? Buffer.from(character, 'latin1')))
}

function views(fact: FactEvent): string {
  return [JSON.stringify(fact), ...transcriptLines({ ...fact, at: 0 }, { startedAt: 0, width: 10_000 })].join('\n')
}

const FORMS = [SECRET, Buffer.from(SECRET).toString('hex'), Buffer.from(SECRET).toString('base64').slice(0, 8)]
const count = { statements: 0, ran: 0, compared: 0, redacted: 0, hidden: 0, all: 0, agreed: 0 }

type Statement = Extract<FactEvent, { type: 'statement' }>

async function statements(count: number): Promise<Statement[]> {
  while (front.statements().length < count) await setTimeout(1)
  return front.statements()
}

interface Sent {
  readonly sql: string
  readonly literal: string | undefined
  readonly encoding: Encoding
  readonly conforming: boolean
  readonly answer: Answer
}

/** `before`: a statement in front of it that is not waited for. */
async function send(one: Case, encoding: Encoding, conforming: boolean, salt: number, before?: Buffer): Promise<Sent> {
  const known = bytesOf.get(encoding)!
  const character = [...known.keys()][salt % Math.min(known.size, 4)]!
  // "é" and "ä" of names and tags only where the encoding has them.
  const put = (text: string) =>
    text.replaceAll('é*', character).replace(/[éä]/g, letter => (known.has(letter) ? letter : 'e'))
  const sql = put(one.sql)
  session.send(Buffer.concat([before ?? Buffer.alloc(0), frame('Q', written(sql, encoding), Buffer.from([0]))]))
  if (before !== undefined) await session.answer()
  const answer = await session.answer()
  return { sql, literal: one.literal === undefined ? undefined : put(one.literal), encoding, conforming, answer }
}

function check({ sql, literal, encoding, conforming, answer }: Sent, fact: Statement, isSettled: boolean): void {
  const part = front.protectedParts.get(fact)
  const shown = views(fact)
  count.statements++
  count[fact.redacted === true ? 'redacted' : fact.hidden === true ? 'hidden' : 'all']++
  const fail = (what: string): never => {
    throw new Error(
      `${what}\nsent: ${JSON.stringify(sql)} in ${encoding}, ${conforming ? 'on' : 'off'}\nrecorded: ${JSON.stringify(fact)}\nprotected: ${JSON.stringify(part)}`,
    )
  }

  // 1. What was sent is provable: as it stands, or but for literals, or whole in the protected part.
  if (fact.redacted === true) {
    const kept = fact.text.split(/'\[redacted\]'|\/\* \[redacted\] \*\/|-- \[redacted\]|\$redacted\$/)
    let at = 0
    for (const piece of kept) {
      at = sql.indexOf(piece, at)
      if (at === -1) fail('something stands in the recording that was not sent')
      at += piece.length
    }
    if (answer.names.includes('mark') && !/\bmark\b/.test(fact.text)) fail('what ran is not in the recording')
  } else {
    const expected = fact.undecoded === undefined ? sql : written(sql, encoding).toString('latin1')
    if ((part?.text ?? fact.text) !== expected) fail('what was sent is not in the recording')
  }
  if (!answer.error) {
    count.ran++
    // 2. Our reading is the server's: the literals of a select list are what it gives back.
    if (literal === undefined && !sql.includes('||')) {
      const read = tokenize(sql, !conforming).tokens.filter(({ kind }) => kind === 'string' || kind === 'number')
      const given = answer.rows[0]!.map(bytes => (bytes === null ? '' : clientEncodingOf(encoding).decode(bytes).text))
      const told = read.map(({ kind, text, start }) =>
        kind === 'number' || /^x$/i.test(sql[start]!) ? undefined : text,
      )
      if (told.length === given.length && told.every((text, i) => text === undefined || text === given[i]))
        count.compared++
      else if (!/1-1/.test(sql)) fail(`the server reads ${JSON.stringify(given)}, we ${JSON.stringify(told)}`)
    }
    if (conforming && isSettled) {
      if (asPostgresReads(sql, tokenize(sql, false).tokens) !== 'the same') fail('the scanner reads otherwise')
      count.agreed++
    }
  }
  // 3. A secret is not shown, plain or as it was written; where quotes within make other SQL of it that runs, it is none.
  const own = tokenize(literal ?? '', !conforming)
  if (literal !== undefined && (answer.error || (own.certain && own.tokens.length === 1))) {
    const body = literal.replace(/^\w*&?'|'$/g, '')
    const form = FORMS.find(form => shown.toLowerCase().includes(form.toLowerCase()))
    if (form !== undefined) fail(`${form} is shown`)
    if (body.length > 8 && fact.text.includes(body)) fail('the literal is shown')
  }
}

t.test('generated SQL', { timeout: 7_200_000 }, async t => {
  while (count.statements < RUNS) {
    await fc.assert(
      fc.asyncProperty(batch, async ({ encoding, conforming, inFlight, cases, salt }) => {
        const settings = query(
          `set client_encoding = '${encoding}'; set standard_conforming_strings = ${conforming ? 'on' : 'off'}`,
        )
        front.facts.length = 0
        front.protectedParts.clear()
        session.send(settings)
        await session.answer()
        const sent: Sent[] = []
        for (const [i, one] of cases.entries()) sent.push(await send(one, encoding, conforming, salt + i))
        const recorded = await statements(1 + cases.length)
        for (const [i, one] of sent.entries()) check(one, recorded[1 + i]!, true)
        if (!inFlight) return
        // The other setting, and back, while what comes behind is on its way already.
        front.facts.length = 0
        const turned: Sent[] = []
        for (const [i, one] of cases.entries()) {
          const on = i % 2 === 0 ? !conforming : conforming
          const before = query(`set standard_conforming_strings = ${on ? 'on' : 'off'}`)
          turned.push(await send(one, encoding, on, salt + i, before))
        }
        const later = await statements(2 * cases.length)
        for (const [i, one] of turned.entries()) check(one, later[2 * i + 1]!, false)
      }),
      { numRuns: Math.max(1, Math.ceil((RUNS - count.statements) / 25)), endOnFailure: true },
    )
  }
  t.comment(count)
  t.ok(count.ran > count.statements / 5, 'much of it runs')
  t.ok(count.compared > count.statements / 20, 'and its values are compared')
  t.ok(
    count.redacted > count.statements / 50 && count.hidden > count.statements / 50,
    'secrets are taken out, or hidden',
  )
})
