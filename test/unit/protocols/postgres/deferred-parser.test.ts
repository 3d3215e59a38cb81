import fc from 'fast-check'
import t from 'tap'
import { StatementLog } from '../../../../src/protocols/postgres/capture/statement-log.ts'
import { DeferredParser, type DeferredParserEvents } from '../../../../src/protocols/postgres/relay/deferred-parser.ts'
import { areWholeAnswers, areWholeRequests } from '../../../../src/protocols/postgres/wire/whole-messages.ts'
import { Backlog } from '../../../../src/protocols/relaying/backlog.ts'
import type { FactEvent } from '../../../../src/recording/format/events.ts'
import { memoryRecorder } from '../../../support/memory-recorder.ts'
import * as bytes from '../../../support/postgres-bytes.ts'
import { cstring, frame, int16, int32 } from '../../../support/postgres-bytes.ts'

interface Chunk {
  readonly fromClient: boolean
  readonly bytes: Buffer
}

const nobody: DeferredParserEvents = { passed: () => undefined, parsed: () => undefined }

function openLog() {
  const facts: FactEvent[] = []
  const recorder = memoryRecorder([], { fact: fact => facts.push(fact) })
  const log = new StatementLog(recorder, new Map())
  const withoutTimes = () => facts.map(fact => (fact.type === 'statement' ? { ...fact, durationUs: 0 } : fact))
  return { log, facts, withoutTimes }
}

/** Feeds the chunks; gives at which one there was a violation, and what was recorded. */
function feed(chunks: readonly Chunk[], to: Pick<StatementLog, 'fromClient' | 'fromTarget'>): number | undefined {
  for (const [index, { fromClient, bytes }] of chunks.entries()) {
    try {
      if (fromClient) to.fromClient(bytes)
      else to.fromTarget(bytes)
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'PROTOCOL_VIOLATION') throw error
      return index
    }
  }
  return undefined
}

const name = fc.constantFrom('', 'a', 'b')
const text = fc.constantFrom('select 1', 'copy t from stdin', "alter role x password 'geheim'", '')
const body = fc.uint8Array({ maxLength: 24 }).map(Buffer.from)
const request = fc.oneof(
  text.map(bytes.query),
  fc.tuple(name, text).map(([name, text]) => bytes.parse(name, text, [23])),
  fc.tuple(name, name).map(([portal, statement]) => bytes.bind(portal, statement, ['1', null, Buffer.from([2])])),
  name.map(name => bytes.execute(name)),
  name.map(bytes.describePortal),
  name.map(bytes.closeStatement),
  fc.constantFrom(bytes.sync, frame('H'), frame('d', Buffer.from('row')), frame('c'), frame('F', int32(7)), frame('X')),
  fc.tuple(fc.constantFrom('Q', 'P', 'B', 'E', 'D', 'C', 'F', '?'), body).map(([type, body]) => frame(type, body)),
)
const answer = fc.oneof(
  fc.constantFrom(bytes.parseComplete, bytes.bindComplete, bytes.closeComplete, bytes.row, bytes.ready),
  fc.constantFrom(bytes.complete('SELECT 1'), bytes.complete('DEALLOCATE'), bytes.error('42601', 'no', 'ERROR')),
  fc.constantFrom(frame('I'), frame('s'), frame('n'), frame('T', int16(0)), frame('G', int16(0)), frame('H', int16(0))),
  fc.constant(frame('S', cstring('client_encoding'), cstring('LATIN1'))),
  fc.tuple(fc.constantFrom('C', 'E', 'S', 'D', '?'), body).map(([type, body]) => frame(type, body)),
)
/** One side's next messages, in one chunk or cut somewhere. */
const said = fc
  .record({
    fromClient: fc.boolean(),
    requests: fc.array(request, { minLength: 1, maxLength: 5 }),
    answers: fc.array(answer, { minLength: 1, maxLength: 5 }),
    cut: fc.option(fc.nat(60), { nil: undefined }),
  })
  .map(({ fromClient, requests, answers, cut }): Chunk[] => {
    const whole = Buffer.concat(fromClient ? requests : answers)
    const parts = cut === undefined ? [whole] : [whole.subarray(0, cut), whole.subarray(cut)]
    return parts.filter(part => part.length > 0).map(bytes => ({ fromClient, bytes }))
  })

t.test('to parse later records the same as to parse at once, and refuses the same chunk', async () => {
  const property = fc.property(fc.array(said, { maxLength: 30 }), conversation => {
    const chunks = conversation.flat()
    const atOnce = openLog()
    const refused = feed(chunks, atOnce.log)
    const backlog = new Backlog()
    // Two sessions whose chunks come in turn, as they do in a gateway.
    const one = openLog()
    const two = openLog()
    let refusedLater = false
    const parsed = (failure: unknown) => {
      refusedLater ||= failure !== undefined
    }
    const parsers = [one, two].map(({ log }) => new DeferredParser(log, backlog, { ...nobody, parsed }))
    for (const chunk of chunks) {
      // The one that is not first may not have taken this chunk.
      if (parsers.some(each => feed([chunk], each) === 0)) refusedLater = true
      if (refusedLater) break
    }
    for (const each of parsers) each.upToDate()
    const expected = JSON.stringify(atOnce.withoutTimes())
    const agree = JSON.stringify(one.withoutTimes()) === expected
    const both = agree && (refusedLater || JSON.stringify(two.withoutTimes()) === expected)
    return (refused !== undefined) === refusedLater && both
  })
  fc.assert(property, { numRuns: 2000 })
})

t.test('what is put off is parsed by itself, with the times at which it came', async t => {
  const { log, facts } = openLog()
  let parser: DeferredParser
  const parsed = new Promise<unknown>(resolve => {
    parser = new DeferredParser(log, new Backlog(), { ...nobody, parsed: resolve })
  })
  const asked = performance.now()
  parser!.fromClient(bytes.query('select 1'))
  parser!.fromTarget(Buffer.concat([bytes.complete('SELECT 1'), bytes.ready]))
  const passedUs = (performance.now() - asked) * 1000
  t.same(facts, [], 'nothing has been parsed yet')
  t.equal(await parsed, undefined, 'and no violation was found in it')
  t.match(facts, [{ type: 'statement', text: 'select 1', tag: 'SELECT 1' }])
  const [fact] = facts
  t.ok(fact?.type === 'statement' && fact.durationUs <= passedUs + 1, 'the wait is not part of the duration')
})

t.test('a backlog that is full is parsed before more is taken', async t => {
  const { log, facts } = openLog()
  const parser = new DeferredParser(log, new Backlog(), nobody)
  for (let i = 0; i < 10_000; i++) {
    parser.fromClient(bytes.query(`select ${i}`))
    parser.fromTarget(Buffer.concat([bytes.complete('SELECT 1'), bytes.ready]))
  }
  t.ok(facts.length > 5000)
  parser.upToDate()
  t.equal(facts.length, 10_000)
  t.match(facts[9999], { text: 'select 9999' })
})

t.test('what fails while it is parsed is reported once, and nothing after it is taken for true', async t => {
  const { log, facts } = openLog()
  const failures: unknown[] = []
  const backlog = new Backlog()
  const parser = new DeferredParser(log, backlog, { ...nobody, parsed: failure => failures.push(failure) })
  const broken = new Error('a fault of ours')
  log.fromTarget = () => {
    throw broken
  }
  parser.fromClient(bytes.query('select 1'))
  parser.fromTarget(bytes.ready)
  parser.fromTarget(bytes.ready)
  parser.fromClient(bytes.query('select 2'))
  parser.upToDate()
  t.same(failures, [broken])
  t.same(facts, [])
})

/** Asks for one portal `count` times; gives the answers. */
function pipeline(parser: DeferredParser, count: number): Buffer {
  parser.fromClient(Buffer.concat([bytes.parse('', 'select 1'), bytes.bind('', '')]))
  parser.fromClient(Buffer.concat(Array.from({ length: count }, () => bytes.execute(''))))
  const suspended = Array.from({ length: count }, () => frame('s'))
  return Buffer.concat([bytes.parseComplete, bytes.bindComplete, ...suspended])
}

t.test('thousands of answers in one chunk are parsed in turns, and all of them before anyone asks', async t => {
  for (const asked of [false, true]) {
    const { log, facts } = openLog()
    // Beside them, on a slow machine, what was asked and has no answer yet.
    const statements = () => facts.filter(fact => fact.type === 'statement').length
    const ended = Promise.withResolvers<void>()
    const parser = new DeferredParser(log, new Backlog(), {
      ...nobody,
      parsed: () => statements() === 13_000 && ended.resolve(),
    })
    parser.fromTarget(pipeline(parser, 13_000))
    t.ok(parser.behind)
    t.ok(statements() < 2000, 'others get their turn')
    if (asked) parser.upToDate()
    else await ended.promise
    t.equal(statements(), 13_000)
    t.notOk(parser.behind)
    t.notOk(parser.upToDate().unanswered)
  }
})

t.test('a violation far back in a long chunk is reported', async t => {
  const failure = Promise.withResolvers<unknown>()
  const parser = new DeferredParser(openLog().log, new Backlog(), {
    ...nobody,
    parsed: error => error !== undefined && failure.resolve(error),
  })
  const answers = pipeline(parser, 5000)
  parser.fromTarget(Buffer.concat([answers, Buffer.from('Z\0\0\0\0')]))
  t.ok(parser.behind)
  t.match(await failure.promise, { code: 'PROTOCOL_VIOLATION' })
  t.notOk(parser.behind)
})

t.test('only whole, well-formed messages of the everyday kinds are put off', async t => {
  for (const whole of [
    bytes.query('select 1'),
    Buffer.concat([bytes.parse('s', 'select $1', [23]), bytes.bind('', 's', ['1']), bytes.execute(''), bytes.sync]),
    Buffer.concat([bytes.describePortal(''), bytes.closeStatement('s'), frame('H'), frame('X')]),
  ]) {
    t.equal(areWholeRequests(whole), true)
    t.equal(areWholeRequests(whole.subarray(0, -1)), false, 'the last byte is missing')
    t.equal(areWholeRequests(Buffer.concat([whole, Buffer.from('Q\0\0')])), false, 'half a header follows')
  }
  for (const other of [
    frame('d', Buffer.from('x')),
    frame('c'),
    frame('F', int32(1)),
    frame('?'),
    frame('B', Buffer.from('no end')),
    frame('B', cstring('only one')),
    frame('P', cstring(''), cstring('select 1')),
    frame('P', cstring(''), cstring('select 1'), int16(2), int32(23)),
    frame('D'),
    frame('D', Buffer.from('P')),
    frame('E', Buffer.from('x')),
    Buffer.concat([Buffer.from('Q'), int32(3)]),
    Buffer.concat([Buffer.from('Q'), int32(-1)]),
    Buffer.concat([Buffer.from('Q'), int32(0x7fffffff)]),
  ]) {
    t.equal(areWholeRequests(other), false, other.toString('hex'))
  }
  t.equal(
    areWholeAnswers(Buffer.concat([bytes.bindComplete, bytes.row, bytes.complete('SELECT 1'), bytes.ready])),
    true,
  )
  for (const other of [bytes.error('42601', 'no'), frame('G', int16(0)), frame('S', cstring('a'), cstring('b'))]) {
    t.equal(areWholeAnswers(other), false, other.toString('hex'))
  }
})
