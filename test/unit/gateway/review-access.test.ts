/** What is open is decided anew when something has changed, and not when that is told again. */

import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { createLocalCluster } from '../../../src/cluster/local.ts'
import { reviewAccess } from '../../../src/gateway/review-access.ts'
import { createLiveSessions } from '../../../src/session/live/live-sessions.ts'
import { createLog } from '../../../src/shared/log.ts'
import { standingClock } from '../../support/identity-parts.ts'

t.test(
  'all that is open is reviewed at start and after each change, once, and not after what changed nothing',
  async t => {
    const clock = standingClock()
    const log = createLog('silent')
    const live = await createLiveSessions({
      ...{ clock, log },
      cluster: createLocalCluster({ clock, gateway: 'gw_1' }),
    })
    const reviewed: string[] = []
    const started = new AsyncDisposableStack()
    const reviewing = (what: string) => ({ review: async () => void reviewed.push(what) })
    const parts = { ...{ live, log }, requests: reviewing('requests'), checkOuts: reviewing('check-outs') }
    reviewAccess(parts as unknown as Parameters<typeof reviewAccess>[0], started)
    await live.accessChanged()
    await live.tellAgain()
    await live.tellAgain()
    // What one says is heard by oneself as well, a turn later.
    await setImmediate()
    // It is over when what runs is.
    await started.disposeAsync()
    await live.close()
    t.strictSame(reviewed, ['requests', 'check-outs', 'requests', 'check-outs'])
  },
)
