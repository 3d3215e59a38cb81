/** Which remote forwards the target agreed to: it may open channels for these, and for no others (RFC 4254 §7, OpenSSH's PROTOCOL §2.4). */

import { WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { MESSAGE } from '../transport/messages.ts'
import { readsOneWay } from './shapes.ts'

/** A port, or a path of a Unix socket; port 0 leaves the choice to the target. */
type ListenEndpoint = number | string

/** Nobody has more in one session. */
const MAX_AGREED = 4_096

export class RemoteForwards {
  readonly #agreed = new Set<ListenEndpoint>()

  /** Reads a global request of the client behind its wish for a reply. Returns what is to hear the target's reply; it throws WireError. */
  asked(name: string, fields: WireReader): (reply: Buffer) => void {
    const endpoint = endpointOf(name, fields)
    return reply => {
      const rest = new WireReader(reply, 1)
      const success = reply[0] === MESSAGE.REQUEST_SUCCESS
      // A success says nothing more, but where the target was to choose the port: that one. Some always say it.
      const namesPort = success && typeof endpoint === 'number' && (endpoint === 0 || !rest.atEnd)
      const chosen = namesPort ? new WireReader(reply, 1).uint32() : endpoint
      readsOneWay(namesPort ? ['port'] : [], rest)
      if (success && endpoint !== undefined) this.#agree(endpoint === 0 ? chosen! : endpoint)
    }
  }

  /** The client does not want to hear whether the target agrees. */
  takenFor(name: string, fields: WireReader): void {
    const endpoint = endpointOf(name, fields)
    if (endpoint !== undefined) this.#agree(endpoint)
  }

  /** Whether a CHANNEL_OPEN of the target, read from behind the packet size, is for one of them. Throws WireError. */
  includes(kind: string, fields: WireReader): boolean {
    const address = fields.utf8()
    return this.#agreed.has(kind === 'forwarded-tcpip' ? fields.uint32() : address)
  }

  #agree(endpoint: ListenEndpoint): void {
    if (this.#agreed.size < MAX_AGREED) this.#agreed.add(endpoint)
  }
}

function endpointOf(name: string, fields: WireReader): ListenEndpoint | undefined {
  if (name === 'streamlocal-forward@openssh.com') return fields.utf8()
  if (name !== 'tcpip-forward') return undefined
  fields.string()
  return fields.uint32()
}
