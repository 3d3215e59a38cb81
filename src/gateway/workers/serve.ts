/**
 * What a worker does: it serves the connections that its gateway hands over, with everything that a gateway has but ports and API.
 * It is a gateway of its own to the store and to the cluster, so that whatever it leaves behind is found when it dies.
 */

import type { Socket } from 'node:net'
import { createClusterClient } from '../../cluster/client.ts'
import type { ConnectionSlot } from '../../connections/connection-limits.ts'
import type { Source } from '../../identity/proof.ts'
import { systemClock } from '../../shared/clock.ts'
import { GatewayError } from '../../shared/errors.ts'
import { createLog } from '../../shared/log.ts'
import { logDestination } from '../../shared/log-destination.ts'
import { createRpc, failureOf, type Remote } from '../../shared/rpc.ts'
import { KeyEncryptionKey } from '../../vault/key-encryption-key.ts'
import { createListeners, type Listeners } from '../listeners.ts'
import { createParts } from '../parts.ts'
import type { GatewayMethods } from './gateway-methods.ts'
import type { Begin, FromWorker, ToWorker, WorkerMethods } from './messages.ts'
import { createRemoteLock } from './remote-lock.ts'

/** Serves from the first message, which is `begin`, until it is told to drain. */
export function serve(): void {
  process.once('message', (message: Begin) => {
    begin(message).catch(error => {
      process.send!({ kind: 'failed', failure: failureOf(error) } satisfies FromWorker, () => process.exit(1))
    })
  })
}

async function begin({ gateway, auditedBy, config, vaultKey, certificates, storeConnections }: Begin): Promise<void> {
  const started = new AsyncDisposableStack()
  const log = createLog(config.log.level, await logDestination()).child({ worker: gateway })
  process.on('unhandledRejection', error => log.error({ err: error }, 'a step failed that nobody waited for'))
  const own: WorkerMethods = {
    deliver: (channel, payload) => client.deliver(channel, payload),
    async report() {
      if (listeners === undefined) throw new GatewayError('INTERNAL', 'The worker is not ready yet.')
      return listeners.report()
    },
  }
  const remote = createRpc<GatewayMethods, WorkerMethods>(own, send)
  const client = createClusterClient({ gateway, remote, log })
  const hurry = new AbortController()
  let listeners: Listeners | undefined
  const connections = new Map<number, Socket>()

  async function drain(drainMs: number): Promise<never> {
    // Without a listeners it is still starting: there is nothing to lose.
    if (listeners === undefined) process.exit(0)
    await listeners.drain(drainMs, hurry.signal)
    await started.disposeAsync()
    process.exit(0)
  }

  process.on('message', (message: ToWorker, socket?: Socket) => {
    switch (message.kind) {
      case 'call':
      case 'answer':
        return remote.receive(message)
      case 'connection':
        return handle(listeners!, connections, message, socket, remote)
      case 'cut':
        return void connections.get(message.connection)?.destroy()
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
      cluster: client.cluster,
      vaultKey: new KeyEncryptionKey(vaultKey),
      withKeyLock: createRemoteLock(remote),
      storeConnections,
      auditedBy,
      openAudit: async () => ({
        append: event => remote.call('audit', event),
        // What others left is for the gateway itself to see to.
        flush: () => remote.call('auditFlush'),
      }),
    },
    started,
  )
  listeners = await createListeners(parts, config, certificates, started)
  send({ kind: 'ready' })
}

function handle(
  listeners: Listeners,
  connections: Map<number, Socket>,
  { connection, protocol, source, refused, balanced }: Extract<ToWorker, { kind: 'connection' }>,
  socket: Socket | undefined,
  gateway: Remote<GatewayMethods>,
): void {
  if (socket === undefined) {
    // It was closed on its way.
    send({ kind: 'disconnected', connection })
    return
  }
  send({ kind: 'entered', connection })
  connections.set(connection, socket)
  socket.once('close', () => {
    connections.delete(connection)
    send({ kind: 'disconnected', connection })
  })
  // The slot itself is the gateway's to count.
  const slot: ConnectionSlot = {
    reached: stage => send({ kind: 'reached', connection, stage }),
    blame: fault => send({ kind: 'blamed', connection, fault }),
    authenticated: () => send({ kind: 'authenticated', connection }),
    acquireInner: () => gateway.call('acquireInnerSlot', connection),
    releaseInner: () => send({ kind: 'inner-released', connection }),
    release: () => undefined,
  }
  const acquireSlot = async (origin: Source) => (await gateway.call('acquireSlot', connection, origin)) ?? slot
  listeners.handle(protocol, {
    socket,
    source,
    slot: balanced ? acquireSlot : (refused ?? slot),
    onEvict: () => undefined,
  })
}

function send(message: FromWorker): void {
  // What cannot be sent has nobody to hear it: without its gateway the worker ends.
  process.send!(message, () => undefined)
}
