/** Logins of a connector at its target: with a copy of the key, because signing erases it; and what a failed one says of the credential. */

import type { Verification } from '../../../session/connector.ts'
import type { LoginAtTarget } from '../../../session/login-at-target.ts'
import { systemClock } from '../../../shared/clock.ts'
import { GatewayError, messageOf } from '../../../shared/errors.ts'
import { Secret } from '../../../shared/secret.ts'
import { WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { unlessSecret } from '../../../shared/text/without-secrets.ts'
import { type CredentialMaterial, secretsOf } from '../../../vault/lease.ts'
import type { SshTarget } from '../target.ts'
import { OwnChannels } from '../target-side/own-channels.ts'
import { CredentialRefused } from '../target-side/target-login.ts'
import { connectTarget, type SshUpstream } from '../target-side/upstream.ts'
import { NO_REKEYING } from '../transport/transport.ts'

const MOST_CHARACTERS = 400

export type FailedLogin = Exclude<Verification, { result: 'works' }>

/** A login that failed is a value. Throws only what is no answer of the target. */
export async function logIn(login: LoginAtTarget, signal: AbortSignal): Promise<OwnChannels | FailedLogin> {
  const upstream = await connect(login, signal)
  return 'result' in upstream ? upstream : new OwnChannels(upstream)
}

export async function verifyLogin(login: LoginAtTarget, signal: AbortSignal): Promise<Verification> {
  const upstream = await connect(login, signal)
  if ('result' in upstream) return upstream
  upstream.close()
  return { result: 'works' }
}

async function connect(login: LoginAtTarget, signal: AbortSignal): Promise<SshUpstream | FailedLogin> {
  const material = copyOf(login.material)
  try {
    const target = demandingProof(login.target)
    return await connectTarget({ ...login, target, material }, NO_REKEYING, systemClock, signal)
  } catch (error) {
    login.dialer.close()
    if (!(error instanceof GatewayError) || error.code === 'INTERNAL') throw error
    return failed(error, login)
  } finally {
    if (material.kind === 'private-key') material.privateKey.erase()
  }
}

/** A target that lets anybody in would make every credential work. */
function demandingProof(target: LoginAtTarget['target']): LoginAtTarget['target'] {
  if (target.protocol !== 'ssh' || target.authentication === undefined) return target
  return { ...target, authentication: target.authentication.filter(method => method !== 'none') } satisfies SshTarget
}

/** For one login, or one look at it. */
export function copyOf<M extends CredentialMaterial>(material: M): M {
  if (material.kind === 'password') return material
  return { ...material, privateKey: new Secret(material.privateKey.revealBytes()) }
}

function failed({ code, message, cause }: GatewayError, { material, opened = [] }: LoginAtTarget): FailedLogin {
  const secrets = [...secretsOf(material), ...opened]
  if (cause instanceof CredentialRefused)
    return { result: 'refused', words: said([`${cause.message}${kindOf(material)}`, cause.said], secrets) }
  const why = cause === undefined ? message : messageOf(cause)
  // It was not refused: what the code says to people does not hold.
  const words = code === 'TARGET_LOGIN_FAILED' || cause === undefined ? why : `${message} (${why})`
  return { result: 'unreachable', words: said([words], secrets) }
}

/** Of the target's own words the login has left out what is no plain word; fingerprints and addresses are ours. */
function said(words: readonly string[], secrets: readonly Secret[]): string {
  return unlessSecret(words.filter(each => each !== '').join('; '), secrets, MOST_CHARACTERS)
}

/** A target may take other kinds of keys alone. */
function kindOf(material: CredentialMaterial): string {
  if (material.kind === 'password' || material.publicKey === undefined) return ''
  return ` (the key: ${new WireReader(material.publicKey).utf8()})`
}
