/**
 * Has a host prove that it is the one that is known: by a pinned key that it must sign with, and for keys that are to be pinned beside it by
 * OpenSSH's hostkeys-prove-00@openssh.com (PROTOCOL §2.5), which only who is logged in may ask.
 */

import type { Dialer } from '../../../session/dialer.ts'
import { systemClock } from '../../../shared/clock.ts'
import { GatewayError } from '../../../shared/errors.ts'
import { boolean, message, string, WireReader } from '../../../shared/ssh-encoding/wire.ts'
import type { CredentialMaterial } from '../../../vault/lease.ts'
import type { SshTarget } from '../target.ts'
import { signatureAlgorithms } from '../transport/algorithms.ts'
import { algorithmsFor, type PinnedKey } from '../transport/host-keys.ts'
import { MESSAGE } from '../transport/messages.ts'
import { NO_REKEYING, Transport } from '../transport/transport.ts'
import { verifyUserSignature } from '../transport/user-key.ts'
import { readCredential, TargetLogin } from './target-login.ts'

const PROVE = 'hostkeys-prove-00@openssh.com'

export interface HostProof {
  readonly target: SshTarget
  readonly dialer: Dialer
  /** It must show one of these. */
  readonly known: readonly PinnedKey[]
  /** Keys that it must own as well; then the login is needed. */
  readonly others: readonly PinnedKey[]
  readonly login?: { readonly user: string; readonly material: CredentialMaterial }
  readonly timeoutMs?: number
}

/**
 * Resolves when it has proven all of it. Throws `TARGET_UNREACHABLE`, `TARGET_IDENTITY_MISMATCH`, and what a login throws; the credential
 * is not touched before the host has proven a known key.
 */
export async function proveHost({
  target,
  dialer,
  known,
  others,
  login,
  timeoutMs = 15_000,
}: HostProof): Promise<void> {
  // The known ones first, so that the host shows one of them; the others, so that it knows which signatures are understood (RSA by SHA-2).
  const algorithms = [...new Set([...algorithmsFor(known), ...algorithmsFor(others)])]
  const credential = login && (await readCredential(login.material))
  const deadline = AbortSignal.timeout(timeoutMs)
  const stream = await dialer.dial(deadline).catch(error => {
    throw error instanceof GatewayError ? error : gone(target, error)
  })
  try {
    await new Promise<void>((resolve, reject) => {
      let isUnknownKey = false
      let conversation: TargetLogin | undefined
      const transport = new Transport(
        stream,
        {
          side: 'client',
          hostKeyAlgorithms: algorithms,
          verifyHostKey(blob) {
            isUnknownKey = !known.some(key => key.blob.equals(blob))
            return !isUnknownKey
          },
        },
        {
          ready() {
            if (others.length === 0) resolve()
            else if (login === undefined || credential === undefined) reject(mismatch('nothing to log in with'))
            else {
              const outcome = { accepted: () => ask(transport, others, resolve, reject), refused: reject }
              conversation = new TargetLogin(
                transport,
                { target, user: login.user, credential, signal: deadline },
                outcome,
              )
              conversation.start()
            }
          },
          message: (type, payload) => conversation?.receive(type, payload),
          ended: error =>
            reject(isUnknownKey || /host key format/.test(error?.message ?? '') ? mismatch() : gone(target, error)),
        },
        NO_REKEYING,
        systemClock,
      )
      deadline.addEventListener('abort', () => reject(gone(target, new Error('timed out'))), { once: true })
      transport.start()
    })
  } finally {
    stream.on('error', () => undefined).destroy()
  }
}

function ask(
  transport: Transport,
  others: readonly PinnedKey[],
  resolve: () => void,
  reject: (error: GatewayError) => void,
): void {
  transport.listener = {
    message(type, payload) {
      // What it announces and asks by itself waits for no answer here.
      if (type === MESSAGE.GLOBAL_REQUEST) return
      if (type === MESSAGE.REQUEST_SUCCESS && proves(payload, transport.sessionId, others)) resolve()
      else reject(mismatch('it does not own the other keys'))
    },
    ended: error => reject(mismatch(error?.message ?? 'it closed the connection')),
  }
  const blobs = others.map(key => string(key.blob))
  transport.send(message(MESSAGE.GLOBAL_REQUEST, string(PROVE), boolean(true), ...blobs))
}

/** One signature for each key, in their order, each bound to this very connection. */
function proves(payload: Buffer, sessionId: Buffer, others: readonly PinnedKey[]): boolean {
  const reader = new WireReader(payload, 1)
  return others.every(key => {
    const signature = reader.string()
    const algorithm = new WireReader(signature).string().toString('latin1')
    const signed = Buffer.concat([string(PROVE), string(sessionId), string(key.blob)])
    return (
      signatureAlgorithms(key.type).includes(algorithm) && verifyUserSignature(key.blob, algorithm, signature, signed)
    )
  })
}

function mismatch(why = 'it shows none of the confirmed host keys'): GatewayError {
  return new GatewayError(
    'TARGET_IDENTITY_MISMATCH',
    `The target did not prove that it is the one that was confirmed: ${why}.`,
  )
}

function gone({ host, port }: SshTarget, cause: Error | undefined): GatewayError {
  return new GatewayError('TARGET_UNREACHABLE', `Nothing that speaks SSH answers at ${host}, port ${port}.`, { cause })
}
