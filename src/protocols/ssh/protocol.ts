/** SSH as the pipeline sees it: connects to a target, and relays between the two sides. */

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
  readonly clock: Clock
}

export function createSshProtocol(options: SshProtocolOptions): Protocol<RelayedClient, SshUpstream> {
  const { limits, execOutputLimitBytes, clock } = options
  return {
    name: 'ssh',
    connect: ({ target, account }, { material }, _downstream, signal) =>
      connectTarget({ target, account, material }, limits, clock, signal),
    relay: (downstream, upstream, context) =>
      relay(downstream, upstream, context, { maxChannels: limits.maxChannels, execOutputLimitBytes }),
  }
}
