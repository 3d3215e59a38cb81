import t from 'tap'
import { StatementLog } from '../../../../src/protocols/postgres/capture/statement-log.ts'
import type { FactEvent, RecordedEvent } from '../../../../src/recording/format/events.ts'
import { withoutFinished } from '../../../../src/recording/rendering/unfinished.ts'
import { memoryRecorder } from '../../../support/memory-recorder.ts'
import * as bytes from '../../../support/postgres-bytes.ts'
import { collect } from '../../../support/recording-parts.ts'

function open() {
  const facts: FactEvent[] = []
  const log = new StatementLog(memoryRecorder([], { fact: fact => facts.push(fact) }), new Map())
  return {
    log,
    facts,
    client: (...messages: Buffer[]) => log.fromClient(Buffer.concat(messages)),
    target: (...messages: Buffer[]) => log.fromTarget(Buffer.concat(messages)),
    asked: () => facts.flatMap(fact => (fact.type === 'asked' && fact.of.type === 'statement' ? [fact.of] : [])),
    /** What is left over for a reader of the recording. */
    async unanswered() {
      async function* events(): AsyncGenerator<RecordedEvent> {
        for (const [at, fact] of facts.entries()) yield { ...fact, at }
      }
      return (await collect(withoutFinished(events()))).flatMap(event =>
        event.type === 'asked' && event.of.type === 'statement' ? [event.of.text] : [],
      )
    },
  }
}

t.test('what runs is told before its answer, once, and the answer settles it', async t => {
  const { log, client, target, asked, unanswered } = open()
  client(bytes.query('select pg_sleep(100)'))
  t.ok(log.unrecordedBytes > 0)
  log.recordAsked()
  log.recordAsked()
  t.match(asked(), [{ text: 'select pg_sleep(100)', protocol: 'simple' }])
  t.equal(log.unrecordedBytes, 0)
  t.equal(log.unrecordedSince, Number.POSITIVE_INFINITY)
  t.same(await unanswered(), ['select pg_sleep(100)'])
  target(bytes.complete('SELECT 1'), bytes.ready)
  t.same(await unanswered(), [])
})

t.test('names that are given in the same pipeline are known, with the values', async t => {
  const { log, client, target, asked, unanswered, facts } = open()
  client(bytes.parse('s', 'delete from a where b = $1', [23]), bytes.sync)
  target(bytes.parseComplete, bytes.ready)
  client(bytes.bind('', 's', ['1']), bytes.execute(''))
  client(bytes.parse('s2', 'select 2'), bytes.bind('p', 's2'), bytes.execute('p'))
  client(bytes.parse('s3', 'select 3'), bytes.sync)
  log.recordAsked()
  t.match(asked(), [
    { text: 'delete from a where b = $1', parameters: ['1'] },
    { text: 'select 2' },
    { text: 'select 3', tag: '(prepared)' },
  ])
  target(bytes.bindComplete, bytes.complete('DELETE 1'))
  t.same(await unanswered(), ['select 2', 'select 3'])
  target(bytes.parseComplete, bytes.bindComplete, bytes.error('22012', 'no', 'ERROR'), bytes.ready)
  t.notOk((await unanswered()).includes('select 2'))
  const statements = facts.flatMap(fact => (fact.type === 'statement' ? [fact] : []))
  t.match(statements, [
    { text: 'delete from a where b = $1', parameters: ['1'] },
    { text: 'select 2' },
    { text: 'select 3' },
  ])
})

t.test('the end of the session settles everything, and nothing is lost that was told as asked only', async t => {
  const { log, client, facts, unanswered } = open()
  client(bytes.parse('never', 'select 4'), bytes.bind('', 'never'), bytes.query('select 5'))
  log.recordAsked()
  log.flush()
  const statements = facts.flatMap(fact => (fact.type === 'statement' ? [fact.text] : []))
  t.ok(statements.includes('select 4') && statements.includes('select 5'))
  t.same(
    (await unanswered()).filter(text => !statements.includes(text)),
    [],
  )
})

t.test('a long text that is asked again and again is kept whole once as asked, and once as answered', async t => {
  const { log, client, target, facts } = open()
  const long = `select '${'x'.repeat(5000)}'`
  client(bytes.parse('', long), bytes.bind('', ''), bytes.sync)
  target(bytes.parseComplete, bytes.bindComplete, bytes.ready)
  for (let i = 0; i < 3; i++) {
    client(bytes.execute(''), bytes.sync)
    log.recordAsked()
    target(bytes.complete('SELECT 1'), bytes.ready)
  }
  const texts = facts.flatMap(fact => {
    if (fact.type === 'statement') return [fact.text]
    return fact.type === 'asked' && fact.of.type === 'statement' ? [fact.of.text] : []
  })
  t.equal(texts.length, 6)
  t.equal(texts.filter(text => text === long).length, 2)
})

const RENAMES = "do 'begin execute ''deallocate s; prepare s as select 666''; raise exception ''no''; end'"

t.test(
  'what may have a new name by the time it is run is told as doubtful, before the answer and after it',
  async t => {
    for (const ending of ['answers', 'the session ends'] as const) {
      const { log, client, target, asked, facts } = open()
      client(bytes.parse('s', 'select 1'), bytes.sync)
      target(bytes.parseComplete, bytes.ready)
      client(bytes.query(RENAMES), bytes.bind('', 's'), bytes.execute(''), bytes.sync)
      log.recordAsked()
      t.match(asked(), [{ identity: undefined }, { text: 'select 1', identity: 'doubtful' }], `${ending}: asked`)
      if (ending === 'answers') {
        target(bytes.error('P0001', 'no'), bytes.ready, bytes.bindComplete, bytes.complete('SELECT 1'), bytes.ready)
      }
      log.flush()
      const [, told] = facts.flatMap(fact => (fact.type === 'statement' ? [fact] : []))
      t.match(told, { text: 'select 1', identity: 'doubtful' }, ending)
    }
  },
)

t.test('an answer settles nothing that was asked behind what it answers', async t => {
  const { log, client, target, unanswered } = open()
  client(bytes.parse('never run', 'selec'), bytes.sync, bytes.query('delete from a'))
  log.recordAsked()
  target(bytes.error('42601', 'syntax error'), bytes.ready)
  t.same(await unanswered(), ['delete from a'], 'a Parse alone that fails')

  target(bytes.complete('DELETE 1'), bytes.ready)
  client(bytes.parse('', 'select 1'), bytes.sync)
  target(bytes.parseComplete, bytes.ready)
  client(bytes.parse('', 'select 2'), bytes.sync, bytes.query('delete from b'))
  log.recordAsked()
  // Without a word of it: only what it drops is recorded.
  target(bytes.parseComplete)
  t.same(await unanswered(), ['delete from b'], 'one that takes the name of another')
})

t.test('a long statement that runs when the gateway dies is shown whole, however slowly it was prepared', async t => {
  const long = `select '${'x'.repeat(5000)}'`
  const { log, client, target, unanswered } = open()
  client(bytes.parse('', long), bytes.sync)
  log.recordAsked()
  target(bytes.parseComplete, bytes.ready)
  client(bytes.bind('', ''), bytes.sync)
  log.recordAsked()
  target(bytes.bindComplete, bytes.ready)
  client(bytes.query('select 1'))
  target(bytes.complete('SELECT 1'), bytes.ready)
  client(bytes.execute(''), bytes.sync)
  log.recordAsked()
  t.same(await unanswered(), [long])
})

t.test('and small requests that are asked again and again do not fill the recording with it', async t => {
  const long = `select '${'x'.repeat(5000)}'`
  const { log, client, target, asked } = open()
  client(bytes.parse('', long), bytes.sync)
  target(bytes.parseComplete, bytes.ready)
  for (let i = 0; i < 20; i++) {
    client(bytes.bind('', ''), bytes.sync)
    log.recordAsked()
    target(bytes.bindComplete, bytes.ready)
  }
  t.ok(asked().filter(({ text }) => text === long).length <= 3)
})
