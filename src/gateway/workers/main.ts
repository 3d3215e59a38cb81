/** The process of a worker. Its signals are heard before anything else is loaded. */

import type { Socket } from 'node:net'
import type { ToWorker } from './messages.ts'

// The signals that end a gateway reach the whole group of processes, or the whole unit: the gateway receives them, and sends us `drain`.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)
// Without its gateway a worker ends at once, as the gateway did; the next one finalizes its sessions.
process.on('disconnect', () => process.exit(1))

const [{ serve }, { systemClock }, { createLog }, { logDestination }] = await Promise.all([
  import('./serve.ts'),
  import('../../shared/clock.ts'),
  import('../../shared/log.ts'),
  import('../../shared/log-destination.ts'),
])

const receive = serve({
  send: message => void process.send!(message, () => undefined),
  clock: systemClock,
  async logFor({ gateway, config }) {
    const log = createLog(config.log.level, await logDestination()).child({ worker: gateway })
    process.on('unhandledRejection', error => log.error({ err: error }, 'a step failed that nobody waited for'))
    return log
  },
  // What was sent has to leave first.
  exit: code => setImmediate(() => process.exit(code)),
})
process.on('message', (message: ToWorker, socket?: Socket) => receive(message, socket))
