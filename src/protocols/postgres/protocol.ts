/** PostgreSQL as the pipeline sees it: connect to the target of a grant, relay. */

import type { DialerFor } from '../../session/dialer.ts'
import type { Protocol } from '../../session/protocol.ts'
import type { Log } from '../../shared/log.ts'
import { Backlog } from '../relaying/backlog.ts'
import { BusyPolling, machineToPoll } from '../relaying/busy-polling.ts'
import type { PostgresDownstream } from './client-side/downstream.ts'
import { relay } from './relay/relay.ts'
import { type Cancellations, cancelOnTarget } from './target-side/cancel.ts'
import { TargetLoginFailed } from './target-side/target-refusal.ts'
import { connectUpstream, type PostgresUpstream, sessionParameters } from './target-side/upstream.ts'

export type PostgresProtocol = Protocol<PostgresDownstream, PostgresUpstream>

const CANCEL_KEY_BYTES = { 0: 4, 2: 32 } as const

/**
 * `connectTimeoutMs` bounds the whole way to a target that is ready: name, TCP, TLS, login. `busyPolling`: whether a core that is
 * idle may be spent on quicker answers.
 */
export function createPostgresProtocol(options: {
  cancellations: Cancellations
  dialerFor: DialerFor
  log: Log
  connectTimeoutMs?: number
  busyPolling?: boolean
}): PostgresProtocol {
  const { cancellations, dialerFor, log, connectTimeoutMs, busyPolling = false } = options
  const backlog = new Backlog()
  const machine = busyPolling ? machineToPoll() : undefined
  if (busyPolling && machine === undefined) log.debug('no busy polling: no core of this machine can be spared for it')
  const polling = machine && new BusyPolling(machine)
  return {
    name: 'postgres',
    async connect(grant, lease, downstream, signal) {
      const { startup } = downstream
      const upstream = await connectUpstream(
        { target: grant.target, account: grant.account, material: lease.material, dialer: dialerFor(grant) },
        target => sessionParameters(grant, lease.material, target, startup.parameters),
        signal,
        connectTimeoutMs,
      ).catch(error => {
        if (error instanceof TargetLoginFailed) downstream.refusedByTarget(error.sqlstate)
        throw error
      })
      const keyBytes = CANCEL_KEY_BYTES[startup.minorVersion >= 2 ? 2 : 0]
      const key = cancellations.issue(upstream.startup.processId, keyBytes, async () => {
        if ((await upstream.onCancel?.()) === false) return
        await cancelOnTarget(upstream).catch(error =>
          log.warn({ err: error, session: grant.session }, 'a cancel request could not be passed to the target'),
        )
      })
      upstream.socket.once('close', key.forget)
      downstream.prepare(upstream.startup, key)
      return upstream
    },
    relay: (downstream, upstream, context) => relay(downstream, upstream, context, backlog, polling, log),
  }
}
