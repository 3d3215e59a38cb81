import fc from 'fast-check'
import t from 'tap'
import { isEnded, nextWriterState, takesEvents, type WriterState } from '../../../src/recording/writing/writer-state.ts'

const EVENTS = ['overran', 'seal', 'sealed', 'failed'] as const
const after = (events: readonly (typeof EVENTS)[number][]): WriterState =>
  events.reduce<WriterState>((state, event) => nextWriterState(state, event), 'open')

t.test('whatever happens, what has ended stays as it ended, and what is told to seal takes no more events', async t => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...EVENTS)), fc.constantFrom(...EVENTS), (before, event) => {
      const state = after(before)
      if (isEnded(state)) t.equal(nextWriterState(state, event), state)
      if (before.includes('seal') || before.includes('failed')) t.notOk(takesEvents(state))
    }),
    { numRuns: 300 },
  )
})

t.test('a recording that was overrun goes on until it is sealed, and is sealed by nothing but a seal', async t => {
  t.equal(after(['overran']), 'overrun')
  t.ok(takesEvents('overrun'))
  t.equal(after(['overran', 'seal']), 'sealing')
  t.equal(after(['sealed']), 'open')
  t.equal(after(['seal', 'failed', 'sealed']), 'broken')
  t.equal(after(['seal', 'sealed', 'failed']), 'sealed')
})
