import { createHash } from 'node:crypto'
import t from 'tap'
import { StatementLog } from '../../../../src/protocols/postgres/capture/statement-log.ts'
import type { FactEvent, ProtectedPart } from '../../../../src/recording/format/events.ts'
import { memoryRecorder } from '../../../support/memory-recorder.ts'
import * as bytes from '../../../support/postgres-bytes.ts'
import { cstring, frame, int16, int32 } from '../../../support/postgres-bytes.ts'

function open(parameters: Record<string, string> = {}) {
  const facts: FactEvent[] = []
  const protectedParts: ProtectedPart[] = []
  const recorder = memoryRecorder([], {
    fact(event, _ago, _counted, whole) {
      facts.push(event)
      if (whole !== undefined) protectedParts.push(whole)
    },
  })
  const log = new StatementLog(recorder, new Map(Object.entries(parameters)))
  return {
    log,
    facts,
    protectedParts,
    client: (...messages: Buffer[]) => log.fromClient(Buffer.concat(messages)),
    target: (...messages: Buffer[]) => log.fromTarget(Buffer.concat(messages)),
    /** Everything but the duration, which is checked to be a number. */
    seen: () =>
      facts.map(fact => {
        if (fact.type !== 'statement') return fact
        const { durationUs, ...rest } = fact
        if (!Number.isInteger(durationUs) || durationUs < 0) throw new Error(`a duration of ${durationUs}`)
        return rest
      }),
  }
}

t.test('a simple query is recorded once it is ready, with its tags and rows together', async t => {
  const { client, target, seen } = open()
  client(bytes.query('select 1; update a set b = 2'))
  target(bytes.row, bytes.complete('SELECT 1'), bytes.complete('UPDATE 7'))
  t.same(seen(), [])
  target(bytes.ready)
  t.same(seen(), [
    { type: 'statement', text: 'select 1; update a set b = 2', protocol: 'simple', tag: 'SELECT 1; UPDATE 7', rows: 8 },
  ])
})

t.test('an extended query is recorded with its bind values, each execution once', async t => {
  const { client, target, seen } = open()
  client(bytes.parse('s', 'select $1, $2, $3, $4', [23, 0, 16, 25]), bytes.sync)
  target(bytes.parseComplete, bytes.ready)
  const four = int32(4)
  client(bytes.bind('', 's', [four, Buffer.from('cafe', 'hex'), Buffer.from([1]), null]), bytes.describePortal(''))
  client(bytes.execute(''), bytes.bind('', 's', ['a', 'b', 'c', 'd']), bytes.execute(''), bytes.sync)
  target(bytes.bindComplete, frame('T', int16(0)), bytes.row, bytes.complete('SELECT 1'))
  target(bytes.bindComplete, bytes.complete('SELECT 0'), bytes.ready)
  const common = { type: 'statement', text: 'select $1, $2, $3, $4', protocol: 'extended' }
  t.same(seen(), [
    { ...common, parameters: ['4', '\\xcafe', 'true', null], tag: 'SELECT 1', rows: 1 },
    { ...common, parameters: ['a', 'b', 'c', 'd'], tag: 'SELECT 0', rows: 0 },
  ])
})

t.test('a portal fetched in parts tells the rows of each part', async t => {
  const { client, target, seen } = open()
  client(bytes.parse('', 'select n'), bytes.bind('p', ''), bytes.execute('p', 2), bytes.sync)
  target(bytes.parseComplete, bytes.bindComplete, bytes.row, bytes.row, frame('s'), bytes.ready)
  client(bytes.execute('p', 2), bytes.sync)
  target(bytes.row, bytes.complete('SELECT 1'), bytes.ready)
  t.match(seen(), [
    { tag: '(more rows to fetch)', rows: 2 },
    { tag: 'SELECT 1', rows: 1 },
  ])
})

t.test('after an error the server skips to Sync, and so does the recording', async t => {
  const { client, target, seen } = open()
  const statement = (text: string) => [bytes.parse('', text), bytes.bind('', ''), bytes.execute('')]
  client(...statement('first'), ...statement('second'), ...statement('third'), bytes.sync, bytes.query('fourth'))
  target(bytes.parseComplete, bytes.bindComplete, bytes.complete('OK'))
  target(bytes.parseComplete, bytes.error('22012', 'division by zero'), bytes.ready)
  target(bytes.complete('DONE'), bytes.ready)
  t.match(seen(), [
    { text: 'first', tag: 'OK' },
    { text: 'second', error: { sqlstate: '22012', message: 'division by zero' } },
    { text: 'third', tag: '(skipped)' },
    { text: 'fourth', tag: 'DONE' },
  ])
  t.equal(seen().length, 4)
})

t.test('what comes after the error and before Sync is skipped too', async t => {
  const { client, target, seen } = open()
  client(bytes.parse('', 'broken'))
  target(bytes.error('42601', 'syntax error'))
  client(bytes.bind('', ''), bytes.execute(''), bytes.query('never run'), bytes.sync, bytes.query('run'))
  target(bytes.ready, bytes.complete('OK'), bytes.ready)
  t.match(seen(), [
    { text: 'broken', error: { sqlstate: '42601' } },
    { text: 'never run', tag: '(skipped)' },
    { text: 'run', tag: 'OK' },
  ])
  t.equal(seen().length, 3)
})

t.test('a name that the server did not accept again keeps its first statement', async t => {
  const { client, target, seen } = open()
  client(bytes.parse('s', 'delete from orders'), bytes.sync)
  target(bytes.parseComplete, bytes.ready)
  client(bytes.parse('s', 'select 1'), bytes.sync)
  target(bytes.error('42P05', 'prepared statement "s" already exists'), bytes.ready)
  client(bytes.bind('', 's'), bytes.execute(''), bytes.sync)
  target(bytes.bindComplete, bytes.complete('DELETE 9'), bytes.ready)
  t.match(seen().at(-1), { text: 'delete from orders', tag: 'DELETE 9', rows: 9 })
})

t.test('a name that SQL has prepared anew stands for what SQL says', async t => {
  const { client, target, seen } = open()
  client(bytes.parse('s', 'select 1'), bytes.sync)
  target(bytes.parseComplete, bytes.ready)
  client(bytes.query('deallocate s; prepare s as delete from orders'))
  target(bytes.complete('DEALLOCATE'), bytes.complete('PREPARE'), bytes.ready)
  client(bytes.bind('', 's', ['x']), bytes.execute(''), bytes.sync)
  target(bytes.bindComplete, bytes.complete('DELETE 9'), bytes.ready)
  t.match(seen().at(-1), { text: 'delete from orders', parameters: ['x'], identity: 'doubtful' })
  client(bytes.query(`prepare "A""b" (text) as update users set password = $1`))
  target(bytes.complete('PREPARE'), bytes.ready)
  client(bytes.bind('', 'A"b', ['geheim']), bytes.execute(''), bytes.sync)
  target(bytes.bindComplete, bytes.complete('UPDATE 1'), bytes.ready)
  const sure = { parameters: ['[redacted]'], redacted: true, identity: undefined }
  t.match(seen().at(-1), { text: 'update users set password = $1', ...sure })
})

t.test(
  'a name that SQL may have given to another statement, where that cannot be read, is known with doubt',
  async t => {
    const { client, target, seen } = open()
    client(bytes.parse('s', 'select $1'), bytes.sync)
    target(bytes.parseComplete, bytes.ready)
    client(bytes.query(`do $$ begin execute 'deallocate s'; execute 'prepare s as …'; end $$; deallocate t`))
    target(bytes.complete('DO'), bytes.complete('DEALLOCATE'), bytes.ready)
    client(bytes.bind('', 's', ['x']), bytes.execute(''), bytes.bind('', 't', ['y']), bytes.execute(''), bytes.sync)
    target(bytes.bindComplete, bytes.complete('SELECT 1'), bytes.bindComplete, bytes.complete('SELECT 1'), bytes.ready)
    t.match(seen().slice(-2), [
      { text: 'select $1', parameters: ['x'], identity: 'doubtful' },
      {
        text: /the statement "t", prepared by SQL/,
        parameters: ['[hidden]'],
        identity: 'unknown',
        redacted: undefined,
      },
    ])
    client(
      bytes.query('prepare u as select 1; deallocate u; prepare u as select 2'),
      bytes.bind('', 'u'),
      bytes.execute(''),
    )
    target(bytes.complete('PREPARE'), bytes.complete('DEALLOCATE'), bytes.complete('PREPARE'), bytes.ready)
    target(bytes.bindComplete, bytes.complete('SELECT 1'))
    t.match(seen().at(-1), { text: 'select 2', identity: 'doubtful' })
  },
)

t.test('what SQL prepares is not known where its end hangs on a setting that may just be changing', async t => {
  const { client, target, seen } = open()
  client(bytes.query('set standard_conforming_strings = off'))
  client(bytes.query(String.raw`prepare s as select '\'', 1; prepare r as delete from orders --'`))
  target(bytes.complete('SET'), frame('S', cstring('standard_conforming_strings'), cstring('off')), bytes.ready)
  target(bytes.complete('PREPARE'), bytes.complete('PREPARE'), bytes.ready)
  client(bytes.bind('', 's'), bytes.execute(''), bytes.sync)
  target(bytes.bindComplete, bytes.complete('SELECT 1'), bytes.ready)
  t.match(seen().at(-1), { text: /the statement "s", prepared by SQL/, identity: 'unknown' })
})

t.test('what was prepared stays known, whatever else is prepared', async t => {
  const { client, target, seen } = open()
  client(bytes.parse('s', 'insert into victims values ($1)'), bytes.sync, bytes.query('prepare x as select 1'))
  target(bytes.parseComplete, bytes.ready, bytes.complete('PREPARE'), bytes.ready)
  client(bytes.bind('', 's', ['7']), bytes.execute(''), bytes.sync)
  target(bytes.bindComplete, bytes.complete('INSERT 0 1'), bytes.ready)
  t.match(seen().at(-1), { text: 'insert into victims values ($1)', parameters: ['7'], tag: 'INSERT 0 1' })
})

t.test('where the client names no types, the server does: binary values read as what they are', async t => {
  const { client, target, seen } = open()
  client(bytes.parse('s', 'select $1, $2'), frame('D', Buffer.from('S'), cstring('s')), bytes.sync)
  target(bytes.parseComplete, frame('t', int16(2), int32(16), int32(1082)), frame('T', int16(0)), bytes.ready)
  client(bytes.bind('', 's', [Buffer.from([1]), int32(9822)]), bytes.execute(''), bytes.sync)
  target(bytes.bindComplete, bytes.complete('SELECT 1'), bytes.ready)
  t.match(seen().at(-1), { parameters: ['true', '2026-11-22'] })
})

t.test('what is forgotten because there is too much of it is in the recording by then', async t => {
  const { client, target, seen } = open()
  client(
    bytes.parse('s', 'insert into victims values ($1)'),
    bytes.bind('p', 's', ['7']),
    bytes.parse('t', 'delete from t'),
  )
  target(bytes.parseComplete, bytes.bindComplete, bytes.parseComplete)
  for (let i = 0; i < 10_001; i++) {
    client(bytes.parse(`s${i}`, 'select 1'), bytes.bind(`p${i}`, `s${i}`))
    target(bytes.parseComplete, bytes.bindComplete)
  }
  client(bytes.execute('p'), bytes.bind('', 't'), bytes.execute(''))
  target(bytes.complete('INSERT 0 1'), bytes.bindComplete, bytes.complete('DELETE 1'))
  const told = seen() as { text: string; identity?: string }[]
  t.match(
    told.filter(({ text }) => /victims|delete/.test(text)),
    [
      { text: 'insert into victims values ($1)', tag: '(prepared)' },
      { text: 'delete from t', tag: '(prepared)' },
      { text: 'insert into victims values ($1)', parameters: ['7'], tag: '(bound)' },
    ],
  )
  t.match(
    told.filter(({ identity }) => identity === 'unknown'),
    [
      { text: /the portal "p"/, tag: 'INSERT 0 1' },
      { text: /the statement "t"/, tag: 'DELETE 1' },
    ],
  )
})

t.test('a cursor that SQL declares is not taken for a portal that had its name', async t => {
  const { client, target, seen } = open()
  client(bytes.parse('', 'select 1'), bytes.bind('c', ''), bytes.sync)
  target(bytes.parseComplete, bytes.bindComplete, bytes.ready)
  client(bytes.query('begin; declare c cursor for select * from secrets'))
  target(bytes.complete('BEGIN'), bytes.complete('DECLARE CURSOR'), bytes.ready)
  client(bytes.execute('c'), bytes.sync)
  target(bytes.row, bytes.complete('SELECT 1'), bytes.ready)
  t.match(seen().at(-1), { text: 'select * from secrets', identity: undefined })
  client(bytes.query('declare "é" cursor for select 1'))
  target(bytes.complete('DECLARE CURSOR'), bytes.ready)
  client(bytes.execute('c'), bytes.sync)
  target(bytes.row, bytes.complete('SELECT 1'), bytes.ready)
  t.match(
    seen().at(-1),
    { text: 'select * from secrets', identity: 'doubtful' },
    'where its text cannot be told for sure',
  )
})

t.test('what was on its way when the session ended is recorded by its own text', async t => {
  const { log, client, target, seen } = open()
  client(bytes.parse('', 'select 1'), bytes.bind('', ''), bytes.execute(''), bytes.sync)
  target(bytes.parseComplete, bytes.bindComplete, bytes.complete('SELECT 1'), bytes.ready)
  client(bytes.query('select pg_sleep(1)'), bytes.parse('', 'insert into a values ($1)'), bytes.bind('', '', ['7']))
  client(bytes.execute(''), bytes.sync, bytes.parse('s', 'delete from b'))
  log.flush()
  t.match(seen().slice(1), [
    { text: 'select pg_sleep(1)', protocol: 'simple' },
    { text: 'insert into a values ($1)', parameters: ['7'] },
    { text: 'delete from b', tag: undefined },
  ])
  t.equal(seen().length, 4)
})

t.test('an answer that fits no request ends the session, and nothing that was asked is lost', async t => {
  const { log, client, target, seen } = open()
  // A Flush with a body: the server skips to Sync what the log takes for run, and answers otherwise from there on.
  client(frame('H', Buffer.from('junk')), bytes.query('select 1'), bytes.sync)
  target(bytes.error('08P01', 'invalid message format'), bytes.ready)
  client(bytes.parse('', 'insert into a values (1)'), bytes.bind('', ''), bytes.execute(''), bytes.sync)
  t.throws(() => target(bytes.parseComplete), { code: 'PROTOCOL_VIOLATION' })
  client(bytes.query('delete from b'))
  log.flush()
  t.match(
    seen().map(fact => fact.type === 'statement' && fact.text),
    ['select 1', 'insert into a values (1)', 'delete from b'],
  )
})

t.test('a closed statement is forgotten', async t => {
  const { client, target, seen } = open()
  client(bytes.parse('s', 'select 1'), bytes.closeStatement('s'), bytes.bind('', 's'), bytes.execute(''), bytes.sync)
  target(bytes.parseComplete, bytes.closeComplete, bytes.error('26000', 'does not exist'), bytes.ready)
  t.match(seen(), [
    { text: 'select 1', tag: '(prepared)' },
    { text: /the statement "s"/, error: { sqlstate: '26000' } },
  ])
})

t.test(
  'COPY is counted in both directions, also in the extended protocol, where the server ignores the Sync before it',
  async t => {
    const { client, target, seen } = open()
    const data = frame('d', Buffer.alloc(100))
    client(bytes.query('copy a to stdout'))
    target(frame('H', Buffer.alloc(3)), data, data, frame('c'), bytes.complete('COPY 2'), bytes.ready)
    client(bytes.parse('', 'copy a from stdin'), bytes.bind('', ''), bytes.execute(''), bytes.sync)
    target(bytes.parseComplete, bytes.bindComplete, frame('G', Buffer.alloc(3)))
    client(data, frame('c'), bytes.sync)
    target(bytes.complete('COPY 1'), bytes.ready)
    client(bytes.parse('', 'copy b from stdin'), bytes.bind('', ''), bytes.execute(''), data, frame('c'), bytes.sync)
    target(bytes.parseComplete, bytes.bindComplete, frame('G', Buffer.alloc(3)), bytes.complete('COPY 1'), bytes.ready)
    client(bytes.query('select 1'))
    target(bytes.complete('SELECT 1'), bytes.ready)
    t.match(seen(), [
      { type: 'copy', direction: 'out', bytes: 200 },
      { text: 'copy a to stdout', tag: 'COPY 2' },
      { type: 'copy', direction: 'in', bytes: 100 },
      { text: 'copy a from stdin', tag: 'COPY 1' },
      { type: 'copy', direction: 'in', bytes: 100 },
      { text: 'copy b from stdin', tag: 'COPY 1' },
      { text: 'select 1' },
    ])
  },
)

t.test(
  'a COPY that fails, with a Sync before its data, goes on at the next Sync, wherever the first one was read',
  async t => {
    const copying = [bytes.parse('', 'copy a from stdin'), bytes.bind('', ''), bytes.execute(''), bytes.sync]
    const begun = [bytes.parseComplete, bytes.bindComplete, frame('G', Buffer.alloc(3))]
    const failed = bytes.error('22P02', 'no number')
    for (const readLate of [false, true]) {
      for (const endFirst of [false, true]) {
        const { client, target, seen } = open()
        client(...copying)
        target(...begun)
        if (endFirst) client(frame('d', Buffer.from('x')), frame('c'), bytes.sync)
        target(failed)
        if (!endFirst && readLate) target(bytes.ready)
        if (!endFirst) client(frame('d', Buffer.from('x')), frame('f', cstring('given up')), bytes.sync)
        if (endFirst && readLate) target(bytes.ready)
        target(bytes.ready)
        client(bytes.query('select 1'), bytes.parse('', 'select 2'), bytes.bind('', ''), bytes.execute(''), bytes.sync)
        target(bytes.complete('SELECT 1'), bytes.ready)
        target(bytes.parseComplete, bytes.bindComplete, bytes.complete('SELECT 1'), bytes.ready)
        t.match(
          seen().filter(({ type }) => type === 'statement'),
          [
            { text: 'copy a from stdin', error: { sqlstate: '22P02' } },
            { text: 'select 1', tag: 'SELECT 1' },
            { text: 'select 2', tag: 'SELECT 1' },
          ],
          `${readLate} ${endFirst}`,
        )
      }
    }
  },
)

t.test('what the target may skip or run, nobody knows which, ends the session; the COPY is recorded', async t => {
  const copying = [bytes.parse('', 'copy a from stdin'), bytes.bind('', ''), bytes.execute(''), bytes.sync]
  const begun = [bytes.parseComplete, bytes.bindComplete, frame('G', Buffer.alloc(3))]
  const failed = bytes.error('22P02', 'no number')
  const before = open()
  before.client(...copying)
  before.target(...begun)
  before.client(bytes.query('delete from b'))
  t.throws(() => before.target(failed), { code: 'PROTOCOL_VIOLATION' })
  t.match(before.seen().at(-1), { text: 'copy a from stdin', error: { sqlstate: '22P02' } })
  const after = open()
  after.client(...copying)
  after.target(...begun, failed)
  t.throws(() => after.client(bytes.query('delete from b')), { code: 'PROTOCOL_VIOLATION' })
})

t.test('a long statement is cut, and its whole text can be checked by its hash', async t => {
  const text = `select '${'ä'.repeat(700_000)}'`
  const sha256 = createHash('sha256').update(text).digest('hex')
  for (const message of [bytes.query(text), bytes.parse('name', text)]) {
    const { log, target, seen, protectedParts } = open()
    for (let at = 0; at < message.length; at += 60_001) log.fromClient(message.subarray(at, at + 60_001))
    target(bytes.error('42601', 'no'), bytes.ready)
    const [statement] = seen() as { text: string; cut: unknown }[]
    t.equal(statement!.text, `select '[hidden]'`)
    t.same(statement!.cut, { bytes: Buffer.byteLength(text) })
    const [whole] = protectedParts
    t.ok(whole!.text!.length > 500_000)
    t.ok(text.startsWith(whole!.text!), 'up to a whole character')
    t.equal(whole!.sha256, sha256)
  }
})

t.test('what is long is recorded whole once: small requests cannot fill the recording with it', async t => {
  const { client, target, seen } = open()
  const text = `select $1 -- ${'x'.repeat(100_000)}`
  client(bytes.parse('s', text), bytes.bind('p', 's', ['y'.repeat(100_000), null]))
  target(bytes.parseComplete, bytes.bindComplete)
  for (let i = 0; i < 100; i++) {
    client(bytes.execute('p', 1))
    target(bytes.row, frame('s'))
  }
  const [first, ...later] = seen() as FactEvent[]
  t.match(first, { text, parameters: ['y'.repeat(100_000), null], cut: undefined, parametersBefore: undefined })
  const sha256 = createHash('sha256').update(text).digest('hex')
  for (const statement of later) {
    t.match(statement, {
      text: text.slice(0, 200),
      cut: { bytes: text.length, sha256, before: true },
      parameters: undefined,
      parametersBefore: 2,
    })
  }
  t.ok(JSON.stringify(later).length < 100 * 1000)
})

t.test('nor with control characters, which JSON writes six times as long', async t => {
  const { client, target, facts } = open()
  client(bytes.parse('', `--${'\x01'.repeat(1000)}`), bytes.bind('', '', ['\x01'.repeat(1000)]))
  target(bytes.parseComplete, bytes.bindComplete)
  for (let i = 0; i < 100; i++) {
    client(bytes.execute(''))
    target(frame('I'))
  }
  t.equal(facts.length, 100)
  t.ok(JSON.stringify(facts.slice(1)).length < 100 * 2500)
})

t.test('secrets are not recorded: not in the text, not in the values, not in the error that quotes them', async t => {
  const { client, target, facts, protectedParts } = open()
  client(bytes.query(`alter role bob password 'hunter2' oops`))
  target(bytes.error('42601', `syntax error at or near "hunter2"`), bytes.ready)
  client(
    bytes.parse('', 'update users set password = $1'),
    bytes.bind('', '', ['hunter2']),
    bytes.execute(''),
    bytes.sync,
  )
  target(bytes.parseComplete, bytes.bindComplete, bytes.complete('UPDATE 1'), bytes.ready)
  t.match(facts, [{ hidden: true }, { redacted: true, parameters: ['[redacted]'] }])
  t.notMatch(JSON.stringify(facts), 'hunter2')
  t.same(protectedParts, [
    { text: `alter role bob password 'hunter2' oops`, message: `syntax error at or near "hunter2"` },
  ])
})

t.test('text is read in the encoding of the client, also when that changes', async t => {
  const { client, target, seen } = open({ client_encoding: 'LATIN1' })
  client(frame('Q', Buffer.from("select 'z\xfcrich'\0", 'latin1')))
  target(frame('S', cstring('client_encoding'), cstring('UTF8')), bytes.complete('SELECT 1'), bytes.ready)
  client(bytes.query("select 'zürich'"))
  target(bytes.complete('SELECT 1'), bytes.ready)
  t.match(seen(), [
    { type: 'parameter', name: 'client_encoding', value: 'UTF8' },
    { text: "select 'zürich'" },
    { text: "select 'zürich'" },
  ])
})

t.test('what was never answered is recorded when the session ends', async t => {
  const { log, client, seen } = open()
  client(bytes.query('select pg_sleep(100)'))
  t.ok(log.unanswered)
  log.flush()
  t.same(seen(), [{ type: 'statement', text: 'select pg_sleep(100)', protocol: 'simple' }])
})

t.test('a FATAL error on an idle session blames no statement', async t => {
  const { log, target, seen } = open()
  target(bytes.error('57P01', 'terminating connection', 'FATAL'))
  t.ok(log.fatal)
  t.same(seen(), [])
})

t.test('requests without answers are bounded: the log says when it is full, and when no more', async t => {
  const { log, client, target } = open()
  client(...Array.from({ length: 70_000 }, () => bytes.sync))
  t.ok(log.full)
  target(...Array.from({ length: 70_000 }, () => bytes.ready))
  t.notOk(log.full)
})

t.test('long names count among what waits: a client that never reads cannot pile them up', async t => {
  const name = 'n'.repeat(1_000_000)
  for (const message of [
    bytes.parse(name, ''),
    bytes.execute(name),
    bytes.describePortal(name),
    bytes.closeStatement(name),
  ]) {
    const { log, client } = open()
    for (let i = 0; i < 20; i++) client(message)
    t.equal(log.full, true)
  }
})

t.test('a malformed request is a violation, not a crash', async t => {
  for (const message of [frame('B', Buffer.from('no end')), frame('P'), frame('E', Buffer.from('x')), frame('D')]) {
    const { client } = open()
    t.throws(() => client(message), { code: 'PROTOCOL_VIOLATION' })
  }
})

t.test('a Bind whose counts lie is left to the target, and recorded', async t => {
  const { client, target, seen } = open()
  client(
    bytes.parse('', 'select 1'),
    frame('B', cstring(''), cstring(''), int16(0), int16(-1), int32(9)),
    bytes.execute(''),
    bytes.sync,
  )
  target(bytes.parseComplete, bytes.error('08P01', 'insufficient data left in message'), bytes.ready)
  t.match(seen(), [{ text: 'select 1', parameters: ['(values that cannot be read)'], error: { sqlstate: '08P01' } }])
})
