import t from 'tap'
import {
  type ModeEvent,
  nextMode,
  RUNNING,
  type ServerMode,
  syncsInCopy,
} from '../../../../src/protocols/postgres/capture/server-mode.ts'

const after = (...events: ModeEvent[]): ServerMode =>
  events.reduce<ServerMode>((mode, event) => nextMode(mode, event, () => new Error('fits no request')), RUNNING)

const SYNC = { is: 'sync' } as const
const SKIP = { is: 'skip', doubt: false } as const
const SKIP_IN_DOUBT = { is: 'skip', doubt: true } as const
const COPY_IN = { is: 'copy-in', syncs: 0, ended: false } as const

t.test('after an error in a pipeline nothing runs until Sync, and no COPY can begin', async t => {
  t.same(after(SKIP), { is: 'skipping' })
  t.same(after(SKIP, SYNC), RUNNING)
  t.same(after(SKIP, { is: 'copy-end' }, { is: 'answer' }), { is: 'skipping' })
  for (const event of [COPY_IN, { is: 'copy-out' } as const]) t.throws(() => after(SKIP, event), /fits no request/)
})

t.test('a Sync in COPY data is ignored and counted, one behind the end of the data counts', async t => {
  t.equal(syncsInCopy(after(COPY_IN, SYNC, SYNC)), 2)
  t.equal(syncsInCopy(after(COPY_IN, SYNC, { is: 'copy-end' }, SYNC)), 1)
  t.same(after(COPY_IN, SYNC, { is: 'answer' }), RUNNING)
})

t.test(
  'what the server does after a COPY failed with Syncs in it is known once it is ready, or at the next Sync',
  async t => {
    t.same(after(SKIP_IN_DOUBT), { is: 'skipping-or-running' })
    t.same(after(SKIP_IN_DOUBT, { is: 'ready-by-doubtful-sync' }), RUNNING)
    t.same(after(SKIP_IN_DOUBT, SYNC), RUNNING)
    t.same(after(SKIP, { is: 'ready-by-doubtful-sync' }), { is: 'skipping' })
  },
)
