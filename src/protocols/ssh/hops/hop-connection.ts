/** A connection to a host that we are logged in to as a hop: has it connect to other addresses for us, and nothing else. */

import { GatewayError } from '../../../shared/errors.ts'
import { string, uint32 } from '../../../shared/ssh-encoding/wire.ts'
import { ChannelRefused, OwnChannels } from '../target-side/own-channels.ts'
import type { SshUpstream } from '../target-side/upstream.ts'
import { ForwardedStream } from './forwarded-stream.ts'

const CONNECT_MS = 15_000
/** Said to the hop as where the connection comes from: nothing of the user is. */
const ORIGINATOR = [string('127.0.0.1'), uint32(65535)]

export class HopConnection {
  readonly #channels: OwnChannels

  constructor(upstream: SshUpstream) {
    this.#channels = new OwnChannels(upstream)
  }

  /** Has the hop connect to an address. Throws `TARGET_UNREACHABLE` with the hop's reason where it does not. */
  async connectTo(host: string, port: number, signal: AbortSignal): Promise<ForwardedStream> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)])
    const fields = [string(host), uint32(port), ...ORIGINATOR]
    try {
      return await this.#channels.open(
        'direct-tcpip',
        fields,
        (id, end) => new ForwardedStream(this.#channels, id, end),
        deadline,
      )
    } catch (error) {
      if (!(error instanceof ChannelRefused)) throw error
      throw new GatewayError('TARGET_UNREACHABLE', `The hop does not connect: ${error.message}.`)
    }
  }

  close(): void {
    this.#channels.close()
  }
}
