/** The journal's transitions: nothing becomes current that was not verified, nothing is closed that may be in force, whatever happens in between. */

import fc from 'fast-check'
import t from 'tap'
import {
  isOpen,
  type Living,
  MOST_CANDIDATES,
  MOST_CHANGES,
  nextAct,
  type Progress,
  type RotationEvent,
  transition,
} from '../../../src/rotation/rotation.ts'

const BEGUN: Progress = { state: 'prepared', attempt: 1, candidate: 2, changes: 0 }

const events: fc.Arbitrary<RotationEvent> = fc.oneof(
  fc.constantFrom<RotationEvent>(
    { type: 'change-begins' },
    { type: 'changed' },
    { type: 'not-changed' },
    { type: 'given-up' },
    { type: 'made-current' },
    { type: 'finished' },
  ),
  fc.constantFrom<Living>('candidate', 'former', 'neither').map(living => ({ type: 'probed' as const, living })),
  fc
    .option(fc.constant(0), { nil: undefined })
    .map(replacement => ({ type: 'candidate-refused' as const, replacement })),
)

/** What came of each event that could happen, and the event. */
function walk(list: readonly RotationEvent[]): { before: Progress; event: RotationEvent; after: Progress }[] {
  const steps = []
  let progress = BEGUN
  for (const [index, given] of list.entries()) {
    const event =
      given.type === 'candidate-refused' && given.replacement !== undefined
        ? { ...given, replacement: index + 3 }
        : given
    try {
      const after = transition(progress, event)
      steps.push({ before: progress, event, after })
      progress = after
    } catch {}
  }
  return steps
}

const always = (check: (step: ReturnType<typeof walk>[number], steps: ReturnType<typeof walk>) => boolean) =>
  fc.assert(
    fc.property(fc.array(events, { maxLength: 40 }), list => {
      const steps = walk(list)
      return steps.every(step => check(step, steps))
    }),
    { numRuns: 2000 },
  )

t.test('a candidate becomes current only after it has logged in', async () => {
  always(({ after, before }) => after.state !== 'current' || before.state === 'verified')
  always(
    ({ after, before, event }) =>
      after.state !== 'verified' ||
      before.state === 'verified' ||
      (event.type === 'probed' && event.living === 'candidate'),
  )
})

t.test('what may be in force at the target is not given up without a login that says so', async () => {
  always(({ after, before, event }) => {
    if (after.state !== 'backed-out') return true
    return (
      before.state === 'prepared' ||
      event.type === 'not-changed' ||
      (event.type === 'probed' && event.living === 'former')
    )
  })
  always(
    ({ after, before, event }) =>
      before.candidate === after.candidate || (before.state === 'applying' && event.type === 'candidate-refused'),
  )
})

t.test('unknown is only what both logins were refused for', async () => {
  always(({ after, event }) => after.state !== 'unknown' || (event.type === 'probed' && event.living === 'neither'))
})

t.test('what is closed stays as it is, and has nothing left to do', async () => {
  always(({ before }) => isOpen(before.state))
  always(({ after }) => isOpen(after.state) === (nextAct(after) !== 'nothing'))
})

t.test('candidates and changes are counted, and end', async t => {
  always(({ after }) => after.attempt <= MOST_CANDIDATES)
  const changing: RotationEvent[] = Array.from({ length: 20 }, (_, index) =>
    index % 2 === 0 ? { type: 'change-begins' } : { type: 'probed', living: 'former' },
  )
  const lost = walk(changing)
  t.equal(lost.at(-1)?.after.state, 'backed-out')
  t.equal(lost.filter(({ event }) => event.type === 'change-begins').length, MOST_CHANGES)
  const refused = walk(
    Array.from({ length: 20 }, (_, index) =>
      index % 2 === 0 ? { type: 'change-begins' } : { type: 'candidate-refused', replacement: 0 },
    ),
  )
  t.equal(refused.at(-1)?.after.state, 'refused')
  t.equal(refused.filter(({ event }) => event.type === 'change-begins').length, MOST_CANDIDATES)
})

t.test('a rotation that goes well passes every state', async t => {
  const states = walk([
    { type: 'change-begins' },
    { type: 'changed' },
    { type: 'probed', living: 'candidate' },
    { type: 'made-current' },
    { type: 'finished' },
  ]).map(({ after }) => after.state)
  t.same(states, ['applying', 'applied', 'verified', 'current', 'finished'])
})
