/** The side of the target: dials it, makes sure that it is the one that was pinned, and logs in with the lease. */

import type { Duplex } from 'node:stream'
import type { LoginAtTarget } from '../../../session/login-at-target.ts'
import type { Upstream } from '../../../session/protocol.ts'
import type { Clock } from '../../../shared/clock.ts'
import { GatewayError } from '../../../shared/errors.ts'
import { fingerprint } from '../../../shared/ssh-encoding/fingerprint.ts'
import { parseSshPublicKey } from '../../../shared/ssh-encoding/public-key.ts'
import { loginOf } from '../../../targets/target.ts'
import type { SshTarget } from '../target.ts'
import { algorithmsFor, type PinnedKey } from '../transport/host-keys.ts'
import { DISCONNECT } from '../transport/messages.ts'
import { type RekeyLimits, Transport, type TransportListener } from '../transport/transport.ts'
import { loginFailed, readCredential, type TargetCredential, TargetLogin } from './target-login.ts'

/** From the first packet of the key exchange to the end of the login. */
const CONNECT_MS = 15_000

/** A target that let us in; quiet until the relay takes it. */
export class SshUpstream implements Upstream {
  readonly transport: Transport
  readonly #held: Buffer[] = []

  constructor(transport: Transport) {
    this.transport = transport
    transport.socket.pause()
    transport.listener = { message: (_type, payload) => this.#held.push(Buffer.from(payload)), ended: () => {} }
  }

  /** Hands the connection over to the relay: what came meanwhile is given to it first. */
  handOver(listener: TransportListener): void {
    this.transport.listener = listener
    for (const payload of this.#held) {
      if (!this.transport.over) listener.message(payload[0]!, payload)
    }
    this.#held.length = 0
  }

  get carrier(): Duplex {
    return this.transport.socket
  }

  close(): void {
    this.transport.disconnect(DISCONNECT.BY_APPLICATION, 'the session is over')
  }
}

/**
 * Throws `TARGET_UNREACHABLE`, `TARGET_IDENTITY_UNKNOWN` (nothing is pinned), `TARGET_IDENTITY_MISMATCH` or
 * `TARGET_LOGIN_FAILED`, and what `dialer` throws; `signal` gives the attempt up.
 */
export async function connectTarget(
  login: LoginAtTarget,
  limits: RekeyLimits,
  clock: Clock,
  signal: AbortSignal,
): Promise<SshUpstream> {
  const { account, material, dialer } = login
  const target = sshTarget(login)
  // Before anything is dialled.
  pinnedKeys(target)
  const credential = await readCredential(material)
  const stream = await dialer.dial(signal).catch(error => {
    dialer.close()
    throw error instanceof GatewayError ? error : unreachable(target, error)
  })
  stream.once('close', () => dialer.close())
  return logInAt(target, stream, { user: loginOf(account, material), credential, limits, clock, signal })
}

export interface HostLogin {
  readonly user: string
  readonly credential: TargetCredential
  readonly limits: RekeyLimits
  readonly clock: Clock
  /** Gives the attempt up. */
  readonly signal: AbortSignal
}

/** Logs in over a stream that reaches the target. Throws as `connectTarget`, and destroys the stream then. */
export async function logInAt(target: SshTarget, stream: Duplex, login: HostLogin): Promise<SshUpstream> {
  const { signal } = login
  try {
    const pinned = pinnedKeys(target)
    return await new Promise<SshUpstream>((resolve, reject) => {
      const over = new AbortController()
      const within = () => setTimeout(() => reject(unreachable(target, new Error('timed out'))), CONNECT_MS)
      let deadline = within()
      const giveUp = () => reject(unreachable(target, new Error('the session ended')))
      signal.addEventListener('abort', giveUp, { once: true })
      if (signal.aborted) giveUp()
      const { credential } = login
      const nextCode = async () => {
        // One that was not sent to anybody may be valid only in a while.
        clearTimeout(deadline)
        const code = await credential.nextCode!(AbortSignal.any([signal, over.signal]))
        if (!over.signal.aborted) deadline = within()
        return code
      }
      const waiting = credential.nextCode === undefined ? credential : { ...credential, nextCode }
      logIn(stream, target, pinned, { ...login, credential: waiting })
        .then(resolve, reject)
        .finally(() => {
          clearTimeout(deadline)
          over.abort()
          signal.removeEventListener('abort', giveUp)
        })
    })
  } catch (error) {
    stream.on('error', () => undefined).destroy()
    throw error
  }
}

function logIn(
  stream: Duplex,
  target: SshTarget,
  pinned: PinnedKey[],
  { user, credential, limits, clock, signal }: HostLogin,
): Promise<SshUpstream> {
  return new Promise((resolve, reject) => {
    let unknownKey: Buffer | undefined
    const verifyHostKey = (blob: Buffer) => {
      const expected = pinned.some(key => key.blob.equals(blob))
      if (!expected) unknownKey = blob
      return expected
    }
    const transport = new Transport(
      stream,
      { side: 'client', hostKeyAlgorithms: algorithmsFor(pinned), verifyHostKey },
      {
        ready: () => {
          reached = true
          login.start()
        },
        message: (type, payload) => login.receive(type, payload),
        ended: error => {
          if (unknownKey !== undefined) reject(mismatch(target, `it showed ${fingerprint(unknownKey)}`))
          else if (error?.message.includes('host key format'))
            reject(mismatch(target, 'it has no key of a pinned type'))
          else if (reached) reject(error === undefined ? login.disconnected(transport.goodbye) : loginFailed(error))
          else reject(unreachable(target, error ?? new Error('the target closed the connection')))
        },
      },
      limits,
      clock,
    )
    let reached = false
    const login = new TargetLogin(
      transport,
      { target, user, credential, signal },
      {
        accepted: () => resolve(new SshUpstream(transport)),
        refused: reject,
      },
    )
    transport.start()
  })
}

function sshTarget({ target }: LoginAtTarget): SshTarget {
  if (target.protocol !== 'ssh') throw new GatewayError('INTERNAL', 'The target is not reached by SSH.')
  return target
}

function pinnedKeys(target: SshTarget): PinnedKey[] {
  const keys = target.hostKeys.map(parseSshPublicKey).filter(key => key !== undefined)
  if (keys.length < target.hostKeys.length || algorithmsFor(keys).length === 0) {
    throw new GatewayError(
      'TARGET_IDENTITY_UNKNOWN',
      `The target's host key is not known yet. An administrator can learn it with: sallyport target scan ${target.name}`,
    )
  }
  return keys
}

function mismatch(target: SshTarget, detail: string): GatewayError {
  return new GatewayError(
    'TARGET_IDENTITY_MISMATCH',
    `The target shows another host key than the one pinned for ${target.name}: it was reinstalled, or something stands between. Ask an administrator.`,
    { cause: new Error(detail) },
  )
}

function unreachable(target: SshTarget, cause: unknown): GatewayError {
  return new GatewayError('TARGET_UNREACHABLE', `The target ${target.name} could not be reached.`, { cause })
}
