import t from 'tap'
import type { FactEvent, RecordedEvent } from '../../../src/recording/format/events.ts'
import { Protector, protectedKeyPurpose, reveal } from '../../../src/recording/format/protected-part.ts'
import { makeRecordingKeys } from '../../../src/recording/format/recording-keys.ts'

const wrap = {
  sealBytes: (purpose: string, bytes: Buffer) => `${purpose}:${bytes.toString('base64')}`,
  openBytes(purpose: string, sealed: string) {
    if (!sealed.startsWith(`${purpose}:`)) throw new Error('sealed for another purpose')
    return Buffer.from(sealed.slice(purpose.length + 1), 'base64')
  },
}

async function* at(events: readonly FactEvent[]): AsyncGenerator<RecordedEvent> {
  for (const event of events) yield { ...event, at: 0 }
}

async function revealed(events: readonly FactEvent[], session = 'ses_1'): Promise<RecordedEvent[]> {
  const seen: RecordedEvent[] = []
  for await (const event of reveal(session, at(events), wrap.openBytes)) seen.push(event)
  return seen
}

function record(): FactEvent[] {
  const protector = new Protector('ses_1', makeRecordingKeys('ses_1', wrap).protected)
  const key = protector.begin()!
  t.equal(protector.begin(), undefined)
  const hidden = { type: 'statement', text: `a '[hidden]'`, protocol: 'simple', durationUs: 1, hidden: true } as const
  return [
    { type: 'cancel' },
    key,
    {
      ...hidden,
      parameters: ['[hidden]'],
      error: { sqlstate: '42601', message: '[hidden]' },
      protected: protector.protect({ text: `a 'b'`, parameters: ['c'], message: 'd' }),
    },
    { type: 'parameter', name: 'n', value: '[hidden]', protected: protector.protect({ value: 'v' }) },
    { ...hidden, cut: { bytes: 9 }, protected: protector.protect({ text: `a 'b`, sha256: 'ff' }) },
    { type: 'hidden-input', channel: 1, bytes: 3, protected: protector.protectBytes(Buffer.from([0, 255, 10])) },
    {
      ...{ type: 'channel-close', channel: 1, bytesIn: 9, bytesOut: 0, protected: protector.protect({ sha256: 'ee' }) },
      cut: [
        { stream: 'input', keptBytes: 1, bytes: 2, sha256: 'dd' },
        { stream: 'hidden-input', keptBytes: 3, bytes: 7 },
      ],
    },
  ]
}

t.test('what was protected comes back in its place, and nothing else changes', async t => {
  t.same(await revealed(record()), [
    { type: 'cancel', at: 0 },
    {
      ...{ type: 'statement', text: `a 'b'`, protocol: 'simple', durationUs: 1, parameters: ['c'] },
      ...{ error: { sqlstate: '42601', message: 'd' }, revealed: true, at: 0 },
    },
    { type: 'parameter', name: 'n', value: 'v', at: 0 },
    {
      ...{ type: 'statement', text: `a 'b`, protocol: 'simple', durationUs: 1, revealed: true, at: 0 },
      cut: { bytes: 9, sha256: 'ff' },
    },
    { type: 'input', channel: 1, bytes: Buffer.from([0, 255, 10]), revealed: true, at: 0 },
    {
      ...{ type: 'channel-close', channel: 1, bytesIn: 9, bytesOut: 0, at: 0 },
      cut: [
        { stream: 'input', keptBytes: 1, bytes: 2, sha256: 'dd' },
        { stream: 'hidden-input', keptBytes: 3, bytes: 7, sha256: 'ee' },
      ],
    },
  ])
})

t.test('the same part twice is not the same bytes', async t => {
  const protector = new Protector('ses_1', makeRecordingKeys('ses_1', wrap).protected)
  protector.begin()
  t.not(protector.protect({ text: 'a' }), protector.protect({ text: 'a' }))
})

t.test('another session, a missing key and changed bytes are damage', async t => {
  const events = record()
  await t.rejects(revealed(events, 'ses_2'))
  await t.rejects(revealed(events.filter(({ type }) => type !== 'protected-key')), { code: 'RECORDING_DAMAGED' })
  const changed = events.map(event =>
    event.type === 'parameter' ? { ...event, protected: `ABCD${event.protected!.slice(4)}` } : event,
  )
  await t.rejects(revealed(changed), { code: 'RECORDING_DAMAGED' })
  t.not(protectedKeyPurpose('ses_1'), 'recording ses_1')
})
