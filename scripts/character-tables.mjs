// Writes src/protocols/postgres/character-tables/: the characters of PostgreSQL's encodings that Node's TextDecoder does not know, or
// reads as others. What a server converts is the truth: node scripts/character-tables.mjs POSTGRES_URL (any database in UTF8).
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { ENCODINGS } from '../src/protocols/postgres/capture/values/client-encoding.ts'

const folder = join(import.meta.dirname, '../src/protocols/postgres/capture/values/character-tables')
const client = new pg.Client({ connectionString: process.argv[2] })
await client.connect()
await client.query(`create function pg_temp.read(b bytea, encoding text) returns text language plpgsql as
  'begin return convert_from(b, encoding); exception when others then return null; end';
  create function pg_temp.write(t text, encoding text) returns bytea language plpgsql as
  'begin return convert_to(t, encoding); exception when others then return null; end'`)

/** Single bytes, and pairs behind the first bytes of longer characters. */
const SINGLE = "select set_byte('\\x00', 0, a) b from generate_series(128, 255) a"
const PAIRS = `select p || set_byte(set_byte('\\x0000', 0, a), 1, z) b
  from unnest($2::bytea[]) p, generate_series(128, 255) a, generate_series(48, 255) z`
async function read(name, candidates, prefixes) {
  const sql = `select encode(b, 'hex') code, t from (select b, pg_temp.read(b, $1) t from (${candidates}) c) r where t is not null order by 1`
  const { rows } = await client.query(
    sql,
    prefixes === undefined ? [name] : [name, prefixes.map(hex => Buffer.from(hex, 'hex'))],
  )
  return rows
}
const prefixes = {
  EUC_JP: ['8f'],
  EUC_JIS_2004: ['8f'],
  GB18030: ['8135'],
  EUC_TW: Array.from({ length: 16 }, (_, i) => `8e${(0xa1 + i).toString(16)}`),
}

for (const [name, described] of Object.entries(ENCODINGS)) {
  const { label } = described
  const single = await read(name, SINGLE)
  const alone = new Set(single.map(({ code }) => code))
  const pairs = described.width === undefined ? [] : await read(name, PAIRS, ['', ...(prefixes[name] ?? [])])
  // Not the pairs that are two characters, of one byte each.
  const rows = [...single, ...pairs.filter(({ code }) => !alone.has(code.slice(0, 2)))]
  if (name === 'JOHAB') {
    // The server writes more of it than it reads.
    const seen = new Set(rows.map(({ code }) => code))
    const written = await client.query(
      `select encode(b, 'hex') code, t from (select chr(n) t, pg_temp.write(chr(n), $1) b from generate_series(128, 65533) n
        where n not between 55296 and 57343) w where b is not null order by 1`,
      [name],
    )
    rows.push(...written.rows.filter(({ code }) => !seen.has(code)))
  }
  const decoder = label === undefined ? undefined : new TextDecoder(label)
  const lines = []
  let run = { prefix: '', next: -1 }
  for (const { code, t } of rows) {
    if (decoder?.decode(Buffer.from(code, 'hex')) === t) continue
    const prefix = code.slice(0, -2)
    const last = Number.parseInt(code.slice(-2), 16)
    if ([...t].length > 1) lines.push(`${code}+${t}`)
    else if (run.prefix === prefix && run.next === last) lines.push(lines.pop() + t)
    else lines.push(`${code} ${t}`)
    run = [...t].length > 1 ? { prefix: '', next: -1 } : { prefix, next: last + 1 }
  }
  const file = join(folder, `${name}.txt`)
  if (lines.length > 0) writeFileSync(file, `${lines.join('\n')}\n`)
  else rmSync(file, { force: true })
  console.log(name, rows.length, lines.length)
}
await client.end()
