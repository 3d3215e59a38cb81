/**
 * Whatever a client sends, in whatever order and pieces: what the server says that it ran, in its own log, is what the recording
 * says that ran, in the same order and with the same values.
 */

import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { StatementLog } from '../../../src/protocols/postgres/capture/statement-log.ts'
import type { FactEvent, RecordingEvent } from '../../../src/recording/format/events.ts'
import { GatewayError } from '../../../src/shared/errors.ts'
import { memoryRecorder } from '../../support/memory-recorder.ts'
import {
  bind,
  cstring,
  describePortal,
  execute,
  frame,
  int16,
  int32,
  parse,
  query,
  RawClient,
  sync,
} from '../../support/postgres-bytes.ts'
import { logIn, startPostgresFront } from '../../support/postgres-front.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const RUNS = Number(process.env.SALLYPORT_TEST_RUNS ?? 150)
const INT4PL = 177

const target = await startPostgres({
  settings: { log_statement: 'all', log_disconnections: 'on', log_line_prefix: '@%a ' },
  sql: `
    create table numbers (n int);
    create table parents (id int primary key);
    create table children (parent int references parents deferrable initially deferred);
    create table refusing (n int);
    create function refuse() returns trigger language plpgsql as 'begin raise exception ''no''; end';
    create trigger refuse before insert on refusing execute function refuse();
    create function reopen() returns refcursor language plpgsql as
      'declare again refcursor := ''c''; begin open again for select 666; return again; end';
    create function hold() returns void language plpgsql as
      'begin execute ''declare c cursor with hold for select 666''; end';
    create procedure forget() language plpgsql as 'begin execute ''deallocate all''; end'`,
})
t.teardown(() => target.stop())
const front = await startPostgresFront({
  target: { port: target.port },
  account: target.superuser,
  password: target.superPassword,
  allowPlaintextFromLoopback: true,
})
t.teardown(() => front.close())

/** A request; `sql` gets a mark of its own, by which it is known again. */
type Request =
  | {
      readonly kind: 'query' | 'call' | 'copy-data' | 'copy-done' | 'copy-fail' | 'sync' | 'flush'
      readonly sql: string
    }
  | { readonly kind: 'parse'; readonly statement: string; readonly sql: string }
  | { readonly kind: 'bind'; readonly portal: string; readonly statement: string; readonly values: readonly string[] }
  | { readonly kind: 'execute'; readonly portal: string; readonly rows: number }
  | { readonly kind: 'describe'; readonly portal: string }
  | { readonly kind: 'close'; readonly what: 'S' | 'P'; readonly name: string }

const SIMPLE = [
  'select 1',
  'select 1; select 2',
  'select 1/0',
  'select 1; select 1/0; select 3',
  'selec',
  '',
  'begin',
  'commit',
  'rollback',
  'begin; select 1',
  'savepoint a',
  'rollback to a',
  'insert into children values (1)',
  'set constraints all immediate',
  'prepare s as select 1',
  'prepare r(int) as select $1',
  'prepare s as select 1; prepare r as select 2',
  'execute s',
  'execute r(1)',
  'deallocate s',
  'deallocate all',
  'discard all',
  "do 'begin execute ''deallocate all''; end'",
  "do 'begin execute ''deallocate s''; execute ''prepare s as select 666''; raise exception ''no''; end'",
  'call forget()',
  'deallocate s; prepare s as select 666',
  'close c; declare c cursor with hold for select 666',
  'begin; select reopen()',
  'select reopen()',
  'select hold()',
  'commit; begin',
  'begin; declare c cursor for select generate_series(1, 3)',
  'declare c cursor with hold for select generate_series(1, 3)',
  'fetch 1 from c',
  'move all from c',
  'close c',
  'copy numbers from stdin',
  'copy refusing from stdin',
  'copy numbers from stdin; select 1',
  'copy (select 1) to stdout',
  'copy (select 1/(n-2) from generate_series(1,3) n) to stdout',
  'set standard_conforming_strings = off',
  "set client_encoding = 'LATIN1'",
]
const EXTENDED = [
  'select 1',
  'select 1; select 2',
  'select $1::int',
  'select $1::int, $2::text',
  'select generate_series(1, 3)',
  'select 1/$1::int',
  'insert into children values ($1)',
  'selec',
  '',
  'begin',
  'commit',
  'prepare s as select 1',
  'execute s',
  'deallocate all',
  'declare c cursor with hold for select generate_series(1, 3)',
  'fetch 1 from c',
  'close c',
  'select reopen()',
  'copy (select 1) to stdout',
  'call forget()',
]

const statement = fc.constantFrom('', '', '', 's', 'r')
const portal = fc.constantFrom('', '', '', 'c', 'd')
const value = fc.constantFrom('0', '1', '2', 'x')
const rows = fc.constantFrom(0, 0, 1)
const alone = (kind: 'query' | 'call' | 'copy-data' | 'copy-done' | 'copy-fail' | 'sync' | 'flush', sql = '') => ({
  kind,
  sql,
})

/** One request, whether it makes sense or not. */
const single: fc.Arbitrary<Request> = fc.oneof(
  fc.record({ kind: fc.constant('parse' as const), statement, sql: fc.constantFrom(...EXTENDED) }),
  fc.record({ kind: fc.constant('bind' as const), portal, statement, values: fc.array(value, { maxLength: 2 }) }),
  fc.record({ kind: fc.constant('execute' as const), portal, rows }),
  fc.record({ kind: fc.constant('describe' as const), portal }),
  fc.record({
    kind: fc.constant('close' as const),
    what: fc.constantFrom('S' as const, 'P' as const),
    name: fc.constantFrom('', 's', 'r', 'c', 'd'),
  }),
  fc.constantFrom(...(['call', 'copy-data', 'copy-done', 'copy-fail', 'flush'] as const)).map(kind => alone(kind)),
)
const simple = fc.constantFrom(...SIMPLE).map(sql => [alone('query', sql)])

/** Parse, Bind, Execute, as a client does that knows what it wants; the values fit. */
const extended = fc
  .tuple(
    fc.constantFrom(...EXTENDED),
    statement,
    portal,
    fc.tuple(value, value),
    fc.array(rows, { minLength: 1, maxLength: 3 }),
  )
  .map(([sql, statement, portal, values, executions]): Request[] => [
    { kind: 'parse', statement, sql },
    { kind: 'bind', portal, statement, values: values.slice(0, sql.split('$').length - 1) },
    ...executions.map(rows => ({ kind: 'execute', portal, rows }) as const),
  ])
/** The same with what is prepared already. */
const again = fc
  .tuple(statement, portal, fc.array(value, { maxLength: 1 }), rows)
  .map(([statement, portal, values, rows]): Request[] => [
    { kind: 'bind', portal, statement, values },
    { kind: 'execute', portal, rows },
  ])
/** A COPY with its data, ended well or not, in either protocol. */
const copy = fc
  .tuple(
    fc.constantFrom('copy numbers from stdin', 'copy refusing from stdin', 'copy numbers from stdin; select 1'),
    fc.boolean(),
    fc.boolean(),
    fc.array(fc.constant(alone('copy-data')), { maxLength: 2 }),
    fc.constantFrom('copy-done' as const, 'copy-fail' as const),
  )
  .map(([sql, inExtended, syncs, data, end]): Request[] => [
    ...(inExtended
      ? ([
          { kind: 'parse', statement: '', sql },
          { kind: 'bind', portal: '', statement: '', values: [] },
          { kind: 'execute', portal: '', rows: 0 },
          ...(syncs ? [alone('sync')] : []),
        ] as const)
      : [alone('query', sql)]),
    ...data,
    alone(end),
  ])
/** A name that is given, given anew by SQL, and used at once. */
const renamed = fc
  .tuple(
    fc.constantFrom(
      'deallocate s; prepare s as select 666',
      "do 'begin execute ''deallocate s''; execute ''prepare s as select 666''; raise exception ''no''; end'",
      'close c',
      'commit; begin',
      'commit',
      'select 1/0',
    ),
    fc.constantFrom('select 1', 'select reopen()', 'select hold()', 'begin; select reopen()'),
    fc.boolean(),
  )
  .map(([first, second, syncs]): Request[] => [
    { kind: 'parse', statement: 's', sql: 'select 1' },
    { kind: 'bind', portal: 'c', statement: 's', values: [] },
    ...(syncs ? [alone('sync')] : []),
    alone('query', first),
    alone('query', second),
    { kind: 'execute', portal: 'c', rows: 0 },
    { kind: 'bind', portal: '', statement: 's', values: [] },
    { kind: 'execute', portal: '', rows: 0 },
  ])
const step = fc
  .tuple(
    fc.oneof(
      { weight: 4, arbitrary: simple },
      { weight: 5, arbitrary: extended },
      { weight: 3, arbitrary: again },
      { weight: 1, arbitrary: copy },
      { weight: 1, arbitrary: renamed },
      { weight: 2, arbitrary: single.map(request => [request]) },
    ),
    fc.boolean(),
  )
  .map(([requests, syncs]) => (syncs ? [...requests, alone('sync')] : requests))

/** A request, the turns of the event loop before it (the answers of some come before the next), and where it is cut in two. */
type Sent = readonly [request: Request, turns: number, cut: number]

const script: fc.Arbitrary<Sent[]> = fc
  .array(fc.tuple(step, fc.constantFrom(0, 0, 1, 20, 60), fc.nat({ max: 20 })), {
    minLength: 1,
    maxLength: 20,
    size: 'max',
  })
  .map(steps =>
    steps.flatMap(([requests, turns, cut]) => requests.map((request, i): Sent => [request, i === 0 ? turns : 0, cut])),
  )

function bytesOf(request: Request, mark: number): Buffer {
  switch (request.kind) {
    case 'query':
      return query(marked(request.sql, mark))
    case 'parse':
      return parse(request.statement, marked(request.sql, mark))
    case 'bind':
      return bind(request.portal, request.statement, [...request.values])
    case 'execute':
      return execute(request.portal, request.rows)
    case 'describe':
      return describePortal(request.portal)
    case 'close':
      return frame('C', Buffer.from(request.what), cstring(request.name))
    case 'call': {
      const value = (digit: string) => Buffer.concat([int32(1), Buffer.from(digit)])
      return frame('F', int32(INT4PL), int16(0), int16(2), value('1'), value('2'), int16(0))
    }
    case 'copy-data':
      return frame('d', Buffer.from('7\n'))
    case 'copy-done':
      return frame('c')
    case 'copy-fail':
      return frame('f', cstring('enough'))
    case 'sync':
      return sync
    case 'flush':
      return frame('H')
  }
}

/** In front of each statement of it, and of what it names. */
const marked = (sql: string, mark: number) => sql.replace(/^|(?<=;)(?= )|(?<= (?:as|for) select)/g, `/*${mark}*/`)
const MARK = /\/\*(\d+)\*\//
const markOf = (text: string) => MARK.exec(text)?.[1] ?? 'none'

interface Ran {
  readonly mark: string
  readonly values: string
}

/** What the server says that it ran. */
function ranBy(name: string, log: string): Ran[] {
  const ran: { mark: string; values: string }[] = []
  for (const line of log.split('\n')) {
    if (!line.startsWith(`@${name} `)) continue
    const told = line.slice(name.length + 2)
    const execution = /^LOG: {2}(?:statement|execute (?:fetch from )?\S+): (.*)$/.exec(told)
    if (execution !== null) ran.push({ mark: execution[1] === '' ? 'lost' : markOf(execution[1]!), values: '' })
    else if (told.startsWith('LOG:  fastpath')) ran.push({ mark: 'call', values: '' })
    const parameters = /^DETAIL: {2}parameters: (.*)$/i.exec(told)
    if (parameters !== null) ran.at(-1)!.values = parameters[1]!
  }
  return ran
}

type Recorded = Extract<FactEvent, { type: 'statement' }>

/** Whether this may be what the server ran there. */
function fits(ran: Ran, { text, identity, tag, error, parameters = [] }: Recorded): boolean {
  if (tag !== undefined && DID_NOT_RUN.test(tag)) return false
  if (identity !== undefined) return true
  // A portal of a transaction that has failed has lost its text.
  if (ran.mark === 'lost') return error !== undefined
  if (ran.mark === 'call') return text === `(a call of function ${INT4PL})`
  const values = parameters.map((value, index) => `$${index + 1} = '${value}'`).join(', ')
  return markOf(text) === ran.mark && (ran.values === '' || values === ran.values)
}

const DID_NOT_RUN = /^\((?:skipped|prepared|bound)\)$/

/** Whether it is recorded as something that ran: not as something that failed, maybe before it ran, or never was to run. */
const claimsToHaveRun = ({ tag = '', error }: Recorded) => error === undefined && tag !== '' && !DID_NOT_RUN.test(tag)

/** Whether both tell the same: all that ran is recorded in its order, and nothing is recorded as run that did not. */
function agree(ran: readonly Ran[], recorded: readonly Recorded[]): boolean {
  // reachable[i]: the first i that ran are among what is recorded so far.
  let reachable = ran.map(() => false)
  reachable.unshift(true)
  for (const event of recorded) {
    reachable = reachable.map(
      (before, i) => (before && !claimsToHaveRun(event)) || (i > 0 && reachable[i - 1]! && fits(ran[i - 1]!, event)),
    )
  }
  return reachable.at(-1)!
}

/** PostgreSQL 15 itself may fall over a portal that is executed after its transaction has failed. */
const CRASH = /server process .* was terminated by signal/

let sessions = 0

/** How it ends: in order, at once while the target works on, or by the gateway. */
type Ending = 'terminate' | 'leave' | 'kill'

type Session = Awaited<ReturnType<typeof run>>

async function run(script: readonly Sent[], ending: Ending) {
  const name = `run${++sessions}x`
  const before = front.statements().length
  const from = target.log().length
  const disconnected = target.logged(new RegExp(`^@${name} LOG: {2}disconnection|${CRASH.source}`, 'm'))
  const ended = front.sessionEnded()
  const client = await RawClient.to(front.port)
  client.socket.setNoDelay(true)
  await logIn(client, { application_name: name })
  const loggedIn = client.bytes.length
  const sent: { request: Buffer; answersBefore: number }[] = []
  for (const [mark, [request, turns, cut]] of script.entries()) {
    for (let turn = 0; turn < turns; turn++) await setImmediate()
    const bytes = bytesOf(request, mark)
    sent.push({ request: bytes, answersBefore: client.bytes.length - loggedIn })
    client.socket.write(bytes.subarray(0, cut))
    if (cut > 0 && cut < bytes.length) await setImmediate()
    client.socket.write(bytes.subarray(cut))
  }
  if (ending === 'terminate') client.socket.write(Buffer.concat([frame('f', cstring('over')), sync, frame('X')]))
  else if (ending === 'leave') client.socket.end()
  else front.kill()
  const [reason] = await Promise.all([ended, disconnected, client.socket.closed || once(client.socket, 'close')])
  const log = target.log().slice(from)
  const crashed = CRASH.test(log)
  while (crashed && !target.log().slice(from).includes('ready to accept connections')) await target.logged(/\n/)
  return {
    reason,
    crashed,
    log,
    ran: ranBy(name, log),
    recorded: front.statements().slice(before),
    sent,
    answers: client.bytes.subarray(loggedIn),
  }
}

/**
 * What a recording would say if the gateway had died when it had seen all requests, and of the answers that came after the last of
 * them this part. `eager`: it was told as asked of each at once. Undefined where the session would have ended sooner: with COPY that
 * hangs on which of a request and an answer came first.
 */
function recordedAtDeath({ sent, answers }: Session, part: number, eager: boolean): Recorded[] | undefined {
  const facts: RecordingEvent[] = []
  const log = new StatementLog(memoryRecorder(facts), new Map())
  let seen = 0
  const seeTo = (end: number) => {
    log.fromTarget(answers.subarray(seen, end))
    seen = end
  }
  try {
    for (const { request, answersBefore } of sent) {
      seeTo(answersBefore)
      log.fromClient(request)
      if (eager) log.recordAsked()
    }
    seeTo(seen + Math.round(part * (answers.length - seen)))
    log.recordAsked()
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'PROTOCOL_VIOLATION') return undefined
    throw error
  }
  const statements = facts.filter(fact => fact.type === 'statement')
  const answered = Math.max(0, ...statements.map(({ asked = 0 }) => asked))
  const asked = facts.flatMap(fact => (fact.type === 'asked' && fact.number > answered ? [fact.of as Recorded] : []))
  return [...statements, ...asked]
}

const p = (statement: string, sql: string): Request => ({ kind: 'parse', statement, sql })
const b = (portal: string, statement: string): Request => ({ kind: 'bind', portal, statement, values: [] })
const e = (portal: string): Request => ({ kind: 'execute', portal, rows: 0 })
const q = (sql: string) => alone('query', sql)
const close = (what: 'S' | 'P', name: string): Request => ({ kind: 'close', what, name })
const s = alone('sync')

/** Where names stand for something else than a follower may think: what is answered first, and what nobody waits for. */
const KNOWN_TRAPS: readonly (readonly [answered: Request[], rest: Request[]])[] = [
  [
    [p('s', 'select 1'), s],
    [q('deallocate s; prepare s as select 666'), b('', 's'), e(''), s],
  ],
  [
    [p('s', 'select 1'), s],
    [
      ...[p('', 'deallocate s'), b('', ''), e('')],
      ...[p('', 'prepare s as select 666'), b('', ''), e('')],
      ...[b('', 's'), e(''), s],
    ],
  ],
  [
    [q('declare c cursor with hold for select 1')],
    [q('close c; declare c cursor with hold for select 666'), e('c'), s],
  ],
  [
    [p('s', 'select 1'), s],
    [p('', 'selec'), close('S', 's'), p('s', 'select 2'), s, b('', 's'), e(''), s],
  ],
  [
    [q('declare c cursor with hold for select 1'), p('s', 'select 2'), s],
    [p('', 'selec'), close('P', 'c'), b('c', 's'), s, e('c'), s],
  ],
  [
    [p('r', 'select 1'), s, p('', 'copy refusing from stdin'), b('', ''), e('')],
    [p('r', 'select 2'), s, b('', 'r'), e(''), s],
  ],
  [[q("do 'begin execute ''prepare s as select 666''; end'")], [p('s', 'select 1'), s, b('', 's'), e(''), s]],
  [
    [p('s', 'select 1'), s],
    [
      q("do 'begin execute ''deallocate s''; execute ''prepare s as select 666''; raise exception ''no''; end'"),
      ...[b('', 's'), e(''), s],
    ],
  ],
  [
    [q('begin'), p('', 'select 1'), b('c', ''), s, q('commit')],
    [q('begin; select reopen()'), e('c'), s],
  ],
  [[q('begin; declare c cursor for select 1')], [q('close c'), q('select reopen()'), e('c'), s]],
  [
    [q('begin'), p('', 'select 1'), b('c', ''), s],
    [q('commit; begin'), q('select reopen()'), e('c'), s],
  ],
  [
    [q('begin; insert into children values (1)'), p('', 'select 1'), b('c', ''), s],
    [q('commit'), q('begin; select reopen()'), e('c'), s],
  ],
  [
    [q('begin'), p('', 'close c'), b('d', ''), p('', 'select 1'), b('c', ''), s],
    [e('d'), p('', 'select reopen()'), b('', ''), e(''), e('c'), s],
  ],
  [
    [p('', 'select 1'), b('c', '')],
    [q('select 2'), q('select hold()'), e('c'), s],
  ],
]

/** When the gateway dies, as `recordedAtDeath` takes it. */
const DEATHS = [0, 0.25, 0.5, 0.75, 1].flatMap(part => [true, false].map(eager => [part, eager] as const))

for (const [index, [answered, rest]] of KNOWN_TRAPS.entries()) {
  t.test(`a name that is given anew, ${index + 1}`, async t => {
    for (const turns of [0, 60]) {
      for (const ending of ['terminate', 'leave', 'kill'] as const) {
        const session = await run(
          [...answered.map(r => [r, 60, 0] as const), ...rest.map(r => [r, turns, 0] as const)],
          ending,
        )
        const { ran, recorded } = session
        t.ok(agree(ran, recorded), `${ending}, ${turns}`, { ran, recorded })
        if (ending !== 'terminate') continue
        for (const [part, eager] of DEATHS) {
          const recorded = recordedAtDeath(session, part, eager)
          if (recorded === undefined) continue
          t.ok(agree(ran, recorded), `dead after ${part}, ${eager}, ${turns}`, { ran, recorded })
        }
      }
    }
  })
}

t.test('random requests', { timeout: 7_200_000 }, async t => {
  const endings = fc.constantFrom<Ending[]>('terminate', 'terminate', 'leave', 'kill')
  const count = { ran: 0, claimed: 0, doubtful: 0, skipped: 0, violations: 0, crashes: 0, deaths: 0 }
  await fc.assert(
    fc.asyncProperty(script, endings, fc.constantFrom(...DEATHS), async (script, ending, [part, eager]) => {
      const session = await run(script, ending)
      const { reason, crashed, ran, recorded, log } = session
      if (crashed) {
        count.crashes++
        return
      }
      const claims = recorded.filter(claimsToHaveRun)
      count.ran += ran.length
      count.claimed += claims.length
      count.doubtful += claims.filter(({ identity }) => identity !== undefined).length
      count.skipped += recorded.filter(({ tag }) => tag === '(skipped)').length
      count.violations += reason === 'protocol-violation' ? 1 : 0
      const list = (of: readonly unknown[]) => of.map(one => JSON.stringify(one)).join('\n')
      const check = (recorded: readonly Recorded[], when: string) => {
        if (agree(ran, recorded)) return
        throw new Error(`${reason}\nran:\n${list(ran)}\nrecorded ${when}:\n${list(recorded)}\nlog:\n${log}`)
      }
      check(recorded, 'at the end')
      if (ending !== 'terminate' || reason !== 'client-closed') return
      const atDeath = recordedAtDeath(session, part, eager)
      if (atDeath === undefined) return
      count.deaths++
      check(atDeath, `when the gateway is dead after ${part}${eager ? ', all told at once' : ''}`)
    }),
    { numRuns: RUNS },
  )
  t.comment(count)
  t.ok(count.ran > 2 * RUNS, 'much of it runs')
  t.ok(count.claimed > count.ran / 3, 'and is answered')
  t.ok(count.doubtful < count.claimed / 5, 'what ran is known for sure nearly always, where names are not given anew')
  t.ok(count.skipped > RUNS / 10, 'some is skipped')
  t.ok(count.deaths > RUNS / 4, 'a death in the middle is tried often')
  t.ok(count.violations < RUNS / 4, 'few end as violations')
  t.ok(count.crashes < RUNS / 20, 'hardly ever does the server crash')
})
