import t from 'tap'
import type { FactEvent, RecordedEvent } from '../../../src/recording/format/events.ts'
import { withoutFinished } from '../../../src/recording/rendering/unfinished.ts'
import { collect } from '../../support/recording-parts.ts'

const statement = (text: string, asked?: number): FactEvent & { type: 'statement' } => ({
  ...{ type: 'statement', text, protocol: 'simple', durationUs: 1 },
  ...(asked === undefined ? {} : { asked }),
})
const asked = (number: number, text: string): FactEvent => ({ type: 'asked', number, of: statement(text) })
const upload = (channel: number, path: string, asked?: number): FactEvent & { type: 'file' } => ({
  ...{ type: 'file', channel, via: 'sftp', operation: 'upload', path },
  ...(asked === undefined ? {} : { asked }),
})
const relayed = (channel: number, bytesOut: number): FactEvent => ({ type: 'relayed', channel, bytesIn: 0, bytesOut })

async function* at(...facts: FactEvent[]): AsyncGenerator<RecordedEvent> {
  for (const [at, fact] of facts.entries()) yield { ...fact, at }
}
const left = async (...facts: FactEvent[]) =>
  (await collect(withoutFinished(at(...facts)))).map(({ at: _, ...fact }) => fact)

t.test('what was asked is not told where its answer is; without one it is told at the end', async t => {
  t.same(await left(asked(1, 'a'), statement('a', 1)), [statement('a', 1)])
  t.same(
    await left(asked(1, 'a'), asked(2, 'b'), asked(3, 'c'), statement('b', 2), { type: 'cancel' }),
    [statement('b', 2), { type: 'cancel' }, asked(3, 'c')],
    'answers come in order: that of the second is behind that of the first',
  )
  t.same(await left(asked(1, 'a'), statement('other')), [statement('other'), asked(1, 'a')])
})

t.test('files are told apart by their channels', async t => {
  const one = { type: 'asked', number: 1, of: upload(1, '/one') } as const
  const two = { type: 'asked', number: 1, of: upload(2, '/two') } as const
  t.same(await left(one, two, upload(2, '/two', 1)), [upload(2, '/two', 1), one])
  const close = (channel: number): FactEvent => ({ type: 'channel-close', channel, bytesIn: 0, bytesOut: 0 })
  t.same(await left(one, two, close(1)), [close(1), two], 'at the end of its channel everything has been told')
})

t.test('how much had passed is told of what has no other end', async t => {
  const close: FactEvent = { type: 'channel-close', channel: 1, bytesIn: 0, bytesOut: 3 }
  t.same(await left(relayed(1, 1), relayed(2, 2), relayed(1, 3), close), [close, relayed(2, 2)])
  t.same(await left(relayed(0, 1), relayed(0, 2), statement('copy')), [statement('copy')])
})
