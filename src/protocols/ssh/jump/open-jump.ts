/**
 * `ssh -J gateway root@web-01`: on a login that names no target, the client opens a direct-tcpip to the target, and begins an SSH connection
 * in it. That connection ends here, in front of the target's name, and the person in it is the one who logged in around it.
 */

import type { Duplex } from 'node:stream'
import type { ConnectionSlot, NoSlot } from '../../../connections/connection-limits.ts'
import type { Source } from '../../../identity/proof.ts'
import type { Login } from '../../../session/run-login.ts'
import type { HandlerParts } from '../../../session/served-protocol.ts'
import { type ErrorCode, isRefusal, type Refusal } from '../../../shared/errors.ts'
import type { Metrics } from '../../../shared/metrics.ts'
import { WireError, type WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { expectEnd } from '../relay/shapes.ts'
import type { Opening } from '../served/served-connection.ts'
import { StreamChannel } from '../served/stream-channel.ts'
import { certifyHostKeys } from '../transport/host-keys.ts'
import { OPEN_FAILURE } from '../transport/messages.ts'
import { plain } from '../transport/texts.ts'
import type { HostKeys } from '../transport/transport.ts'
import { innerLoginName } from './inner-login.ts'

/** RFC 1035 §2.3.4. */
const MOST_HOST_BYTES = 255
const MOST_PORT = 65_535

/** What a connection is inside of. */
export interface Inside {
  readonly login: Login
  /** The whole login name that the user name sent inside stands for. */
  loginNameOf(sent: string): string | Refusal
}

/** A connection that begins, from the network or inside of another. */
export interface Beginning {
  readonly stream: Duplex
  readonly source: Source
  readonly slot: ConnectionSlot
  readonly hostKeys: HostKeys
  /** Stands in what a key signs on it. */
  readonly nonce?: Buffer | undefined
  readonly inside?: Inside
}

export interface JumpParts {
  readonly findInside: HandlerParts['findInside']
  readonly hostKeys: HostKeys
  readonly metrics: Metrics
  readonly begin: (connection: Beginning) => void
  readonly noSlot: (source: Source, none: NoSlot, login: Login) => void
}

/** Reads what follows the packet size of CHANNEL_OPEN. Throws WireError. */
export async function openJump(
  parts: JumpParts,
  { source, slot, login }: { readonly source: Source; readonly slot: ConnectionSlot; readonly login: Login },
  fields: WireReader,
): Promise<Opening> {
  const { metrics, begin } = parts
  const { host, port } = readDestination(fields)
  const found = await parts.findInside(login, host, port)
  if (isRefusal(found)) {
    metrics.jumps.inc({ result: found.code })
    return notOpened(`${plain(host)}:${port} refused: ${found.message}`, found.code, login.id)
  }
  const hostKeys = certifyHostKeys(parts.hostKeys, found.certificates)
  const none = await slot.acquireInner()
  if (none !== undefined) {
    // Of a connection that ended meanwhile nothing was refused.
    if (none.because !== 'gone') {
      metrics.jumps.inc({ result: 'TOO_MANY_CONNECTIONS' })
      parts.noSlot(source, none, login)
    }
    return notOpened('there are too many connections, try again in a moment', 'TOO_MANY_CONNECTIONS', login.id)
  }
  metrics.jumps.inc({ result: 'opened' })
  const { user } = login.who.principal
  const inside: Inside = { login, loginNameOf: sent => innerLoginName(user, found, sent) }
  return {
    open: (peer, line) => {
      const channel = new StreamChannel(peer, line, stream =>
        begin({ stream, source, slot: innerSlot(slot), hostKeys, inside }),
      )
      channel.on('error', () => undefined)
      channel.once('close', login.opened())
      return channel
    },
  }
}

export function notOpened(why: string, code: ErrorCode, session: string): Opening {
  return { refused: OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED, why: `Sallyport: ${why} [${code}, session ${session}]` }
}

/** RFC 4254 §7.2. */
function readDestination(fields: WireReader): { host: string; port: number } {
  const host = fields.string()
  const port = fields.uint32()
  // Where the client says that it has the connection from.
  fields.string()
  fields.uint32()
  expectEnd(fields)
  if (host.length > MOST_HOST_BYTES || port > MOST_PORT) throw new WireError('an address that there is not')
  return { host: host.toString('utf8'), port }
}

/** Whoever is around it has logged in: there is nobody to make room for. */
function innerSlot(outer: ConnectionSlot): ConnectionSlot {
  return { ...outer, reached() {}, blame() {}, authenticated() {}, release: () => outer.releaseInner() }
}
