/** Serves a login that names no target over SSH, until the client leaves or it must end. */

import type { Login } from '../../../session/run-login.ts'
import { onceAborted } from '../../../session/session-end.ts'
import type { EndReason } from '../../../session/state.ts'
import type { SshDownstream } from '../client-side/downstream.ts'
import { ServedConnection, type ServedConnectionOptions } from './served-connection.ts'

export async function serve(
  downstream: SshDownstream,
  login: Login,
  options: ServedConnectionOptions,
): Promise<EndReason> {
  const { transport } = downstream
  const connection = new ServedConnection(transport, options)
  downstream.handOver({
    message: (type, payload) => connection.message(type, payload),
    ended(error) {
      connection.ended(error)
      downstream.lost()
    },
  })
  if (!transport.over) transport.socket.resume()
  const aborted = new Promise<EndReason>(resolve => onceAborted(login.signal, () => resolve('client-closed')))
  return Promise.race([connection.end, aborted])
}
