/** What a program is told on its stdin: one JSON object. */

import { isUtf8 } from 'node:buffer'
import { createPrivateKey } from 'node:crypto'
import type { AccountLogin } from '../../session/connector.ts'
import { erasableBytes, type Secret } from '../../shared/secret.ts'
import { type Account, loginOf, type Target } from '../../targets/target.ts'
import type { CredentialMaterial } from '../../vault/lease.ts'
import type { Action } from './answer.ts'

/** Goes up when something is taken away or means something else; not when something is added. */
const VERSION = 1

export interface ProgramRequest {
  readonly action: Action
  readonly target: Target
  readonly account: Account
  /** The one in question, of `verify` and `tell`. */
  readonly credential?: CredentialMaterial | undefined
  /** Of `tell`. */
  readonly credentialVersion?: number | undefined
  readonly current?: CredentialMaterial | undefined
  readonly candidate?: CredentialMaterial | undefined
  readonly as?: AccountLogin | undefined
  readonly attempt?: number | undefined
  /** What it is not told, and may know all the same. */
  readonly opened?: readonly Secret[] | undefined
}

/** Throws where a password is not text. Whoever calls it erases what it gives. */
export function writeRequest({ action, target, account, as, attempt = 1, ...given }: ProgramRequest): Buffer {
  const { name, protocol, host, port, labels } = target
  const text = JSON.stringify({
    version: VERSION,
    action,
    target: { name, protocol, host, port, labels },
    account: account.name,
    login: loginOf(account),
    attempt,
    ...(given.credential && { credential: written(given.credential) }),
    ...(given.credentialVersion && { credentialVersion: given.credentialVersion }),
    ...(given.current && { current: written(given.current) }),
    ...(given.candidate && { candidate: written(given.candidate) }),
    ...(as && { as: { account: as.account.name, login: loginOf(as.account), ...written(as.material) } }),
  })
  const bytes = erasableBytes(Buffer.byteLength(text) + 1)
  bytes.write(`${text}\n`)
  return bytes
}

function written(material: CredentialMaterial): Record<string, string> {
  if (material.kind === 'password') {
    if (!isUtf8(material.password.revealBytes()))
      throw new Error('a password that is not UTF-8 cannot be given to a program')
    return { password: material.password.reveal() }
  }
  const { privateKey, publicKey } = material
  return {
    privateKey: pemOf(privateKey.revealBytes()),
    ...(publicKey && { publicKey: `${typeOf(publicKey)} ${publicKey.toString('base64')}` }),
  }
}

/** Of what the vault keeps (DER), or of the file that came in. */
function pemOf(key: Buffer): string {
  if (key.includes('-----BEGIN')) return key.toString('utf8')
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' }).export({ format: 'pem', type: 'pkcs8' }) as string
}

/** RFC 4253 §6.6: it begins with its name. */
function typeOf(publicKey: Buffer): string {
  return publicKey.subarray(4, 4 + publicKey.readUInt32BE(0)).toString('latin1')
}
