/**
 * A worker: serves the connections that its gateway hands over, with everything that a gateway has but ports and API. It is a
 * gateway of its own to the store and to the cluster, so that whatever it leaves behind is found when it dies.
 */

import type { Socket } from 'node:net'
import { createClusterGuest } from '../cluster/guest.ts'
import { createParts } from '../gateway-parts.ts'
import { createReception, type Reception } from '../reception.ts'
import type { Visitor } from '../session/door.ts'
import { systemClock } from '../shared/clock.ts'
import { GatewayError, messageOf } from '../shared/errors.ts'
import { createLog } from '../shared/log.ts'
import { KeyEncryptionKey } from '../vault/key-encryption-key.ts'
import type { FromWorker, ToWorker } from './messages.ts'

type Begin = Extract<ToWorker, { kind: 'begin' }>

function send(message: FromWorker): void {
  // What cannot be sent has nobody to hear it: see `disconnect`.
  process.send!(message, () => undefined)
}

async function begin({ gateway, config, vaultKey: bytes }: Begin): Promise<void> {
  const started = new AsyncDisposableStack()
  const log = createLog(config.log.level).child({ worker: gateway })
  process.on('unhandledRejection', error => log.error({ err: error }, 'a step failed that nobody waited for'))
  const guest = createClusterGuest({ gateway, send, log })
  const hurry = new AbortController()
  let reception: Reception | undefined

  async function drain(drainMs: number): Promise<never> {
    // Without a reception it is still starting: there is nothing to lose.
    if (reception === undefined) process.exit(0)
    await reception.drain(drainMs, hurry.signal)
    await started.disposeAsync()
    process.exit(0)
  }

  process.on('message', (message: ToWorker, socket?: Socket) => {
    switch (message.kind) {
      case 'cluster-answer':
      case 'cluster-message':
        return guest.hear(message)
      case 'visitor':
        return enter(reception!, message, socket)
      case 'report':
        return void reception!.report().then(report => send({ kind: 'reported', id: message.id, report }))
      case 'drain':
        return void drain(message.drainMs)
      case 'hurry':
        return hurry.abort()
    }
  })
  const feed = {
    stored: (seq: number) => send({ kind: 'audited', seq }),
    reopen: async () => undefined,
    close: async () => undefined,
  }
  const vaultKey = new KeyEncryptionKey(bytes)
  const { cluster } = guest
  const parts = await createParts({ config, clock: systemClock, log, gateway, cluster, vaultKey, feed }, started)
  reception = await createReception(parts, config, started)
  send({ kind: 'ready' })
}

function enter(
  reception: Reception,
  { protocol, source, place }: Extract<ToWorker, { kind: 'visitor' }>,
  socket: Socket | undefined,
): void {
  if (socket === undefined) {
    // It was closed on its way.
    if (typeof place === 'number') send({ kind: 'left', place })
    return
  }
  reception.enter(protocol, { socket, source, place: typeof place === 'number' ? placeOf(place) : place })
}

/** The place itself is the gateway's to count. */
function placeOf(place: number): Exclude<Visitor['place'], string> {
  return {
    authenticated: () => send({ kind: 'authenticated', place }),
    leave: () => send({ kind: 'left', place }),
  }
}

// The signals that end a gateway reach the whole group of processes or the whole unit: the gateway hears them, and tells us.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)
// A worker without its gateway ends at once, as the gateway did; the next one closes its books.
process.on('disconnect', () => process.exit(1))
process.once('message', (message: Begin) => {
  begin(message).catch(error => {
    const code = error instanceof GatewayError ? error.code : 'INTERNAL'
    process.send!({ kind: 'failed', code, message: messageOf(error) } satisfies FromWorker, () => process.exit(1))
  })
})
