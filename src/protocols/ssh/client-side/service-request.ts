/** The request for a service that precedes user authentication (RFC 4253 §10). */

import { message, string, WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { DISCONNECT, MESSAGE } from '../transport/messages.ts'
import type { Transport } from '../transport/transport.ts'

/** Accepts `ssh-userauth`, as often as it is asked for: paramiko asks before each method. Any other service ends the connection. */
export function answerServiceRequest(transport: Transport, payload: Buffer): void {
  const service = new WireReader(payload, 1).utf8()
  if (service === 'ssh-userauth') transport.send(message(MESSAGE.SERVICE_ACCEPT, string(service)))
  else transport.disconnect(DISCONNECT.SERVICE_NOT_AVAILABLE, 'there is no such service')
}
