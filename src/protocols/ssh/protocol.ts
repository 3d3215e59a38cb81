/** SSH as the pipeline sees it: connects to a target, and relays between the two sides. */

import type { DialerFor } from '../../session/dialer.ts'
import type { Protocol } from '../../session/protocol.ts'
import type { Clock } from '../../shared/clock.ts'
import type { SshLimits } from './client-side/limits.ts'
import { relay } from './relay/relay.ts'
import type { RelayedClient } from './relay/relay-peer.ts'
import { connectTarget, type SshUpstream } from './target-side/upstream.ts'

export interface SshProtocolOptions {
  readonly limits: SshLimits
  /** Bytes kept in the recording of each stream of a channel without a terminal. */
  readonly execOutputLimitBytes: number
  readonly dialerFor: DialerFor
  readonly clock: Clock
}

export function createSshProtocol(options: SshProtocolOptions): Protocol<RelayedClient, SshUpstream> {
  const { limits, execOutputLimitBytes, dialerFor, clock } = options
  return {
    name: 'ssh',
    connect: (grant, { material }, _downstream, signal) => {
      const { target, account } = grant
      return connectTarget({ target, account, material, dialer: dialerFor(grant) }, limits, clock, signal)
    },
    relay: (downstream, upstream, context) =>
      relay(downstream, upstream, context, { maxChannels: limits.maxChannels, execOutputLimitBytes }),
  }
}
