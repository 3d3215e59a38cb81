import t from 'tap'
import { StreamLog } from '../../../../src/protocols/ssh/capture/stream-log.ts'
import type { RecordingEvent } from '../../../../src/recording/format/events.ts'
import { memoryRecorder } from '../../../support/memory-recorder.ts'

const SCRIPT = 'echo hid""den\n'

function begin(promptness: 'within-bound' | 'before-relay' = 'within-bound') {
  const events: RecordingEvent[] = []
  const terms = { recordInput: false, recordExecInput: true, execOutputLimitBytes: 1_000_000 }
  const log = new StreamLog(memoryRecorder(events, { promptness }), 0, terms, 'program')
  log.terminalAsked()
  log.begin('none', 'program')
  const input = () => Buffer.concat(events.flatMap(event => (event.type === 'input' ? [event.bytes] : []))).toString()
  return { log, events, input }
}

t.test('what is sent before the target refuses a terminal is fed to the program, and recorded', async t => {
  const { log, input } = begin()
  log.fromClient(Buffer.from(SCRIPT))
  t.equal(input(), '')
  log.terminalAnswered(false)
  log.fromClient(Buffer.from(SCRIPT))
  t.equal(input(), SCRIPT + SCRIPT)
})

t.test('what is sent before the target gives a terminal is typed at it, and not recorded', async t => {
  const { log, events } = begin()
  log.fromClient(Buffer.from('S3cr3tX\n'))
  log.terminalAnswered(true)
  log.end()
  t.same(events, [])
})

t.test('a second terminal that is refused takes nothing away from the first', async t => {
  const { log, events } = begin()
  log.terminalAnswered(true)
  log.terminalAsked()
  log.terminalAnswered(false)
  log.fromClient(Buffer.from('S3cr3tX\n'))
  t.same(events, [])
})

t.test('a script is recorded where the target never answers, sends more than waits, or nothing may wait', async t => {
  const silent = begin()
  silent.log.fromClient(Buffer.from(SCRIPT))
  silent.log.end()
  t.equal(silent.input(), SCRIPT)
  const long = begin()
  for (let i = 0; i < 5_000; i++) long.log.fromClient(Buffer.from(SCRIPT))
  t.ok(long.input().length > 65_000 - 64 * 1024)
  const prompt = begin('before-relay')
  prompt.log.fromClient(Buffer.from(SCRIPT))
  t.equal(prompt.input(), SCRIPT)
})
