/** Learns what a target asks for as the login of an account, for an administrator who sets its floor. It answers nothing, and has no password. */

import type { Dialer } from '../../../session/dialer.ts'
import type { AskedLogin } from '../../../session/served-protocol.ts'
import { GatewayError } from '../../../shared/errors.ts'
import { loginOf } from '../../../targets/target.ts'
import { SocketReader } from '../../relaying/socket-reader.ts'
import type { PostgresTarget } from '../target.ts'
import { startupMessage } from '../wire/frontend-messages.ts'
import { type AuthenticationRequest, readAuthentication, readError } from '../wire/server-answers.ts'
import { violation } from '../wire/violation.ts'
import { dial, encryptionsOf, MESSAGE_LIMIT_BYTES } from './dial.ts'

const TIMEOUT_MS = 10_000

/** What the target asks of each of its accounts. Throws `TARGET_UNREACHABLE`, `TARGET_IDENTITY_MISMATCH` or `PROTOCOL_VIOLATION`. */
export async function askLogins(target: PostgresTarget, dialer: Dialer): Promise<AskedLogin[]> {
  const asked: AskedLogin[] = []
  for (const account of target.accounts) {
    for (const login of account.logins ?? [loginOf(account)]) {
      const asks = await askLogin(target, dialer, login)
      asked.push({ account: account.name, asks, allowed: (target.authentication as string[]).includes(asks) })
    }
  }
  return asked
}

async function askLogin(target: PostgresTarget, dialer: Dialer, user: string): Promise<string> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const [encryption] = encryptionsOf(target.tls)
  const { socket } = await dial(target, dialer, encryption!, signal)
  const giveUp = () => socket.destroy()
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    socket.write(
      startupMessage(
        new Map([
          ['user', user],
          ['database', target.database ?? 'postgres'],
        ]),
      ),
    )
    const reader = new SocketReader(socket, MESSAGE_LIMIT_BYTES, violation)
    while (true) {
      const message = await reader.message()
      if (message === undefined) throw new GatewayError('TARGET_UNREACHABLE', `The target ${target.name} hung up.`)
      if (message.type === 'R') return nameOf(readAuthentication(message.body))
      if (message.type === 'E') return `refused: ${readError(message.body).message.slice(0, 200)}`
      if (message.type !== 'N') throw violation('the server answers out of turn')
    }
  } finally {
    signal.removeEventListener('abort', giveUp)
    socket.destroy()
  }
}

function nameOf(request: AuthenticationRequest): string {
  switch (request.kind) {
    case 'ok':
      return 'none'
    case 'cleartext':
      return 'password'
    case 'md5':
      return 'md5'
    case 'sasl':
      return request.mechanisms.some(name => name.startsWith('SCRAM-SHA-256'))
        ? 'scram-sha-256'
        : request.mechanisms.join(', ')
    case 'other':
      return `not supported (code ${request.code})`
    default:
      throw violation('the server goes on with a SASL exchange that was not begun')
  }
}
