/**
 * What a worker does: it serves the connections that its gateway hands over, with everything that a gateway has but ports and API.
 * It is a gateway of its own to the store and to the cluster, so that whatever it leaves behind is found when it dies.
 */

import type { Socket } from 'node:net'
import { createClusterGuest } from '../cluster/guest.ts'
import { createParts } from '../gateway-parts.ts'
import type { Source } from '../identity/proof.ts'
import { createReception, type Reception } from '../reception.ts'
import { systemClock } from '../shared/clock.ts'
import type { Full, Place } from '../shared/connection-limits.ts'
import { createLog } from '../shared/log.ts'
import { logDestination } from '../shared/log-destination.ts'
import { KeyEncryptionKey } from '../vault/key-encryption-key.ts'
import { failureOf } from './answering.ts'
import { type Asking, createAsking } from './asking.ts'
import type { Begin, FromWorker, ToWorker } from './messages.ts'

/** Serves from the first message, which is `begin`, until it is told to drain. */
export function serve(): void {
  process.once('message', (message: Begin) => {
    begin(message).catch(error => {
      process.send!({ kind: 'failed', failure: failureOf(error) } satisfies FromWorker, () => process.exit(1))
    })
  })
}

async function begin({ gateway, auditedBy, config, vaultKey, certificate, storeConnections }: Begin): Promise<void> {
  const started = new AsyncDisposableStack()
  const log = createLog(config.log.level, await logDestination()).child({ worker: gateway })
  process.on('unhandledRejection', error => log.error({ err: error }, 'a step failed that nobody waited for'))
  const { ask, inTurnOf, hear } = createAsking(send)
  const { cluster, deliver } = createClusterGuest({ gateway, call: call => ask({ of: 'cluster', call }), log })
  const hurry = new AbortController()
  let reception: Reception | undefined
  const visitors = new Map<number, Socket>()

  async function drain(drainMs: number): Promise<never> {
    // Without a reception it is still starting: there is nothing to lose.
    if (reception === undefined) process.exit(0)
    await reception.drain(drainMs, hurry.signal)
    await started.disposeAsync()
    process.exit(0)
  }

  process.on('message', (message: ToWorker, socket?: Socket) => {
    switch (message.kind) {
      case 'answer':
        return hear(message)
      case 'published':
        return deliver(message.channel, message.payload)
      case 'visitor':
        return enter(reception!, visitors, message, socket, ask)
      case 'cut':
        return void visitors.get(message.visitor)?.destroy()
      case 'report':
        return void reception?.report().then(report => send({ kind: 'reported', id: message.id, report }))
      case 'drain':
        return void drain(message.drainMs).catch(error => {
          log.error({ err: error }, 'the worker did not stop as it should')
          process.exit(1)
        })
      case 'hurry':
        return hurry.abort()
    }
  })
  const parts = await createParts(
    {
      config,
      clock: systemClock,
      log,
      gateway,
      cluster,
      vaultKey: new KeyEncryptionKey(vaultKey),
      inTurnOf,
      storeConnections,
      auditedBy,
      openAudit: async () => ({
        append: async event => void (await ask({ of: 'audit', event })),
        // What others left is for the gateway itself to see to.
        flush: async () => void (await ask({ of: 'audit-flush' })),
      }),
    },
    started,
  )
  reception = await createReception(parts, config, certificate, started)
  send({ kind: 'ready' })
}

function enter(
  reception: Reception,
  visitors: Map<number, Socket>,
  { visitor, protocol, source, refused, balanced }: Extract<ToWorker, { kind: 'visitor' }>,
  socket: Socket | undefined,
  ask: Asking['ask'],
): void {
  if (socket === undefined) {
    // It was closed on its way.
    send({ kind: 'left', visitor })
    return
  }
  send({ kind: 'entered', visitor })
  visitors.set(visitor, socket)
  socket.once('close', () => {
    visitors.delete(visitor)
    send({ kind: 'left', visitor })
  })
  // The place itself is the gateway's to count.
  const place: Place = {
    reached: stage => send({ kind: 'reached', visitor, stage }),
    blame: fault => send({ kind: 'blamed', visitor, fault }),
    authenticated: () => send({ kind: 'authenticated', visitor }),
    leave: () => undefined,
  }
  const seat = async (origin: Source) =>
    ((await ask({ of: 'place', visitor, source: origin })) as Full | undefined) ?? place
  reception.enter(protocol, { socket, source, place: balanced ? seat : (refused ?? place), cutBy: () => undefined })
}

function send(message: FromWorker): void {
  // What cannot be sent has nobody to hear it: without its gateway the worker ends.
  process.send!(message, () => undefined)
}
