/** What ran is always provable, and a secret is never shown: whatever quotes it stands in, and whatever the server says of it. */

import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { FactEvent } from '../../../src/recording/format/events.ts'
import { transcriptLines } from '../../../src/recording/rendering/transcript.ts'
import { bind, execute, frame, parse, query, RawClient, sync } from '../../support/postgres-bytes.ts'
import { logIn, startPostgresFront } from '../../support/postgres-front.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const target = await startPostgres({
  sql: `create role x; create table users (name text, password text, note text); create table victims (n int);
    create extension pgcrypto; create extension postgres_fdw; create server far foreign data wrapper postgres_fdw;
    create function raise(text) returns text language plpgsql as 'begin raise exception ''no: %'', $1; end'`,
})
t.teardown(() => target.stop())
const front = await startPostgresFront({
  target: { port: target.port },
  account: target.superuser,
  password: target.superPassword,
  allowPlaintextFromLoopback: true,
})
t.teardown(() => front.close())
const client = await RawClient.to(front.port)
await logIn(client)
t.teardown(() => client.socket.destroy())

type Statement = Extract<FactEvent, { type: 'statement' }>

async function run(...messages: Buffer[]): Promise<Statement> {
  const before = front.statements().length
  client.socket.write(Buffer.concat(messages))
  while (front.statements().length === before) await setImmediate()
  return front.statements()[before]!
}

const SECRET = 'S3cr3tX'
const FORMS = [SECRET, Buffer.from(SECRET).toString('hex'), Buffer.from(SECRET).toString('base64').slice(0, 8)]
const partOf = (fact: FactEvent) => JSON.stringify(front.protectedParts.get(fact) ?? '')

function shows(fact: FactEvent): string | undefined {
  const views = [JSON.stringify(fact), ...transcriptLines({ ...fact, at: 0 }, { startedAt: 0, width: 200 })].join('\n')
  return FORMS.find(form => views.toLowerCase().includes(form.toLowerCase()))
}

/** Refused or run: each with the secret. */
const STATEMENTS = [
  `alter role x password "S3cr3tX"`,
  `alter role x password S3cr3tX`,
  `alter role x password ‘S3cr3tX’`,
  `alter role x password ’S3cr3tX’`,
  `alter role x password “S3cr3tX”`,
  'alter role x password `S3cr3tX`',
  `alter role x password as 'S3cr3tX'`,
  `alter role x with encrypted password = S3cr3tX!y`,
  `alter role x password 'it's S3cr3tX'`,
  `alter role x password 'S3cr3tX`,
  `alter role x password E'\\x5333cr3tX' S3cr3tX`,
  `create user u identified by 'S3cr3tX'`,
  `create user u identified by S3cr3tX`,
  `grant all on db.* to u@'%' identified by "S3cr3tX"`,
  `create user mapping for x server far options (user 'a', password "S3cr3tX")`,
  `create user mapping for x server far options (user 'a', password 'S3cr3tX')`,
  `create user mapping for x server nowhere options (user 'a', password 'S3cr3tX')`,
  `alter user mapping for x server far options (set password 'S3cr3tX')`,
  `update users set password = "S3cr3tX"`,
  `update users set password = 'S3cr3tX' where name = S3cr3tX`,
  `update users set password = 'S3cr3tX'::int`,
  `set app.secret = S3cr3tX`,
  `set app.secret = "S3cr3tX"`,
  `set local app.api_key to S3cr3tX, 'S3cr3tX'`,
  `alter role x set app.secret = S3cr3tX`,
  `alter system set app.secret = S3cr3tX`,
  `set application_name = 'password=S3cr3tX'`,
  `PGPASSWORD=S3cr3tX psql -h db`,
  `psql postgresql://bob:S3cr3tX@db/shop`,
  `select * from users where password = S3cr3tX`,
  `select S3cr3tX as password, 1`,
  `select 'S3cr3tX' as password`,
  `insert into users (name, password) values ('bob', 'S3cr3tX')`,
  `insert into users (name, password) select 'bob', 'S3cr3tX'`,
  `with new (name, password) as (values ('bob', 'S3cr3tX')) select 1 from new`,
  `insert into users (name, pasword) values ('bob', 'S3cr3tX')`,
  `alter role x pasword 'S3cr3tX'`,
  `prepare p(text) as update users set password = $1; execute p('S3cr3tX')`,
  `execute p('S3cr3tX')`,
  `explain (costs off) execute p('S3cr3tX')`,
  `select raise('password S3cr3tX')`,
  `select raise('password=S3cr3tX')`,
  `select 'pass'\n'word=S3cr3tX'`,
  `select E'p\\x61ssword=S3cr3tX'`,
  `select U&'p\\0061ssword=S3cr3tX'`,
  `update users set U&"p\\0061ssword" = 'S3cr3tX'`,
  `update users set U&"p\\0061ssword" = "S3cr3tX"`,
  `do $$ begin execute 'alter role x password ''S3cr3tX'''; end $$`,
  `do $$ begin execute format('alter role x password %L', 'S3cr3tX'); end $$`,
  `do $$ begin raise exception 'password is S3cr3tX'; end $$`,
  `create function f() returns text language sql as $f$ select crypt('S3cr3tX', 'x') $f$`,
  `create subscription s connection 'host=127.0.0.1 port=1 password=S3cr3tX' publication p`,
  `create subscription s connection "password=S3cr3tX" publication p`,
  `comment on column users.password is 'it is S3cr3tX'`,
  `/* the password is S3cr3tX */ select 1`,
  `select 1 -- password: S3cr3tX`,
  `select '{"password": "S3cr3tX"}'::json`,
  `select '{"password": "S3cr3tX}'::json`,
  `create table t (token text default 'S3cr3tX')`,
  `copy victims from program 'curl -u bob:S3cr3tX http://127.0.0.1:1'`,
  `select pgp_sym_encrypt('data', 'S3cr3tX')`,
  `alter role x password 'SCRAM-SHA-256$4096:S3cr3tX$a:b'`,
  `set standard_conforming_strings = off; alter role x password 'a\\'S3cr3tX'`,
  `alter role x password U&'S3cr3tX' uescape '!'`,
  `alter role x password $q$S3cr3tX$q$ $q$S3cr3tX$q$`,
]

for (const sql of STATEMENTS) {
  t.test(`no view shows the secret of: ${sql.replaceAll('\n', ' ')}`, async t => {
    const facts = front.facts.length
    const fact = await run(query(sql))
    t.equal(shows(fact), undefined, JSON.stringify(fact))
    for (const other of front.facts.slice(facts)) t.equal(shows(other), undefined)
    if (fact.redacted !== true) t.ok(partOf(fact).includes(JSON.stringify(sql).slice(1, -1)), 'the whole is protected')
  })
}

t.test('nor do bind values, in text and binary, of statements and by themselves', async t => {
  for (const [sql, value] of [
    ['update users set password = $1', SECRET],
    ['insert into users (name, password) values ($1, $1)', SECRET],
    ['select $1::json', '{"password": "S3cr3tX"}'],
    ['select $1::text', 'postgresql://bob:S3cr3tX@db/shop'],
    ['select $1::int', 'password=S3cr3tX'],
    ['update users set password = "S3cr3tX", name = $1', 'y'],
  ] as const) {
    for (const values of [[value], [Buffer.from(value)]]) {
      const types = typeof values[0] === 'string' ? [] : [25]
      const fact = await run(parse('', sql, types), bind('', '', values), execute(''), sync)
      t.equal(shows(fact), undefined, JSON.stringify(fact))
    }
  }
})

t.test('what ran stands in the recording, whatever literals go on where', async t => {
  const fact = await run(query(`select E'a'\n'\\'', 'password=x'; drop table victims; select 2`))
  t.equal(fact.text, `select E'a'\n'\\'', '[redacted]'; drop table victims; select 2`)
  t.equal(fact.tag, 'SELECT 1; DROP TABLE; SELECT 1')
  await run(query(`set client_encoding = 'SHIFT_JIS_2004'`))
  const said = Buffer.concat([
    Buffer.from("select '"),
    Buffer.from([0x95, 0x5c]),
    Buffer.from("', 'password=S3cr3tX'; select 4\0"),
  ])
  const other = await run(frame('Q', said))
  t.match(other.text, /; select \[hidden\]$/)
  t.equal(shows(other), undefined)
  t.match(partOf(other), `select '表', 'password=S3cr3tX'; select 4`)
  await run(query(`set client_encoding = 'UTF8'`))
})

t.test('everyday statements stand as they are', async t => {
  for (const sql of [
    `select 1 where 'x' = 'y'`,
    `select password from users where name = 'bob'`,
    `select 'it''s' -- all right\n, E'a\\nb'`,
  ]) {
    const fact = await run(query(sql))
    t.equal(fact.text, sql)
    t.notOk(front.protectedParts.has(fact))
  }
  t.match(await run(query('selec 1 from')), { text: 'selec [hidden] from', error: { message: /near "selec"/ } })
})

t.test('an error does not show the value of a table that the statement does not name', async t => {
  const setUp = await run(
    query(`delete from users; insert into users (name, password) values ('bob', 'S3cr3tX');
      create view numbers as select password::int from users;
      create function number_of() returns int language sql as 'select password::int from users'`),
  )
  t.equal(setUp.error, undefined)
  await run(query('begin; declare c cursor for select password::int from users'))
  for (const sql of ['fetch c', 'rollback', 'select * from numbers', 'select number_of()']) {
    const told = await run(query(sql))
    t.equal(shows(told), undefined, sql)
    t.equal(told.text, sql)
    if (sql !== 'rollback') t.match(partOf(told), /S3cr3tX/)
  }
  const own = await run(query(`select 'mistyped'::int`))
  t.match(own.error?.message, /"mistyped"/)
  const bound = await run(parse('', 'select $1::text::int'), bind('', '', ['mistyped']), execute(''), sync)
  t.match(bound.error?.message, /"mistyped"/)
})
