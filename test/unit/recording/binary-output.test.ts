import t from 'tap'
import type { RecordedEvent } from '../../../src/recording/format/events.ts'
import { summariseBinary } from '../../../src/recording/rendering/binary-output.ts'
import { exportText } from '../../../src/recording/rendering/export.ts'

const output = (at: number, channel: number, bytes: Buffer | string): RecordedEvent => ({
  type: 'output',
  at,
  channel,
  bytes: Buffer.from(bytes as string),
})
const file = Buffer.from([1, 2, 0, 3])

async function summarised(events: RecordedEvent[]): Promise<RecordedEvent[]> {
  return Array.fromAsync(summariseBinary(from(events)))
}

async function* from(events: RecordedEvent[]) {
  yield* events
}

t.test('a run of output that is no text becomes one event with its length', async t => {
  t.same(
    await summarised([output(1, 0, 'C0644 8 f\n'), output(2, 0, file), output(3, 0, file), output(4, 0, 'done')]),
    [output(1, 0, 'C0644 8 f\n'), { type: 'binary', channel: 0, bytes: 8, at: 2 }, output(4, 0, 'done')],
  )
  t.same(await summarised([output(1, 0, file), output(2, 1, file)]), [
    { type: 'binary', channel: 0, bytes: 4, at: 1 },
    { type: 'binary', channel: 1, bytes: 4, at: 2 },
  ])
})

t.test('what a terminal was sent is never summarised', async t => {
  const pty: RecordedEvent = { type: 'pty', at: 0, channel: 0, term: 'xterm', columns: 80, rows: 24 }
  t.same(await summarised([pty, output(1, 0, file)]), [pty, output(1, 0, file)])
})

t.test('an export as text says how much it leaves out', async t => {
  const subject = {
    session: 'ses_1',
    protocol: 'ssh',
    user: 'alice',
    account: 'root',
    target: 'web-01',
    role: 'ops',
    source: '192.0.2.1',
    gateway: 'gw_1',
    startedAt: 0,
  }
  const text = (await Array.fromAsync(exportText(subject, from([output(1, 0, file)])))).join('')
  t.match(text, /channel 0: bytes that are no text {2}→ 4 B/)
})
