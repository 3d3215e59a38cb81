/** One line of an SSH public key, as in authorized_keys (without options) and, after the host, in known_hosts. */

import { isPointOf, type SshCurve, sshCurve } from './curves.ts'

export interface SshPublicKey {
  readonly type: string
  /** RFC 4253 §6.6. */
  readonly blob: Buffer
  readonly comment: string
}

/** Of keys that anybody may show or prove with. */
export const SMALLEST_RSA_BITS = 2048

/** How many fields each type has after its name, and a check of those whose size is fixed. */
const FIELDS: Record<string, (fields: Buffer[]) => boolean> = {
  'ssh-ed25519': ([key, ...rest]) => key?.length === 32 && rest.length === 0,
  'sk-ssh-ed25519@openssh.com': ([key, application, ...rest]) =>
    key?.length === 32 && application !== undefined && rest.length === 0,
  'ecdsa-sha2-nistp256': fields => isPoint(fields, 'nistp256'),
  'ecdsa-sha2-nistp384': fields => isPoint(fields, 'nistp384'),
  'ecdsa-sha2-nistp521': fields => isPoint(fields, 'nistp521'),
  'sk-ecdsa-sha2-nistp256@openssh.com': fields => fields.length === 3 && isPoint(fields.slice(0, 2), 'nistp256'),
  'ssh-rsa': ([exponent, modulus, ...rest]) =>
    exponent !== undefined && modulus !== undefined && rest.length === 0 && bitLength(modulus) >= SMALLEST_RSA_BITS,
}

export const USER_KEY_TYPES: readonly string[] = Object.keys(FIELDS)
export const HOST_KEY_TYPES: readonly string[] = USER_KEY_TYPES.filter(type => !type.startsWith('sk-'))

/**
 * Reads `ssh-ed25519 AAAA… comment`. The type in the line must be the type in the blob, and the blob must have the shape of that
 * type, RSA at least 2048 bits. Undefined for anything else.
 */
export function parseSshPublicKey(line: string): SshPublicKey | undefined {
  const [, type = '', base64 = '', comment = ''] =
    /^([a-z0-9@.-]{1,64}) ([A-Za-z0-9+/]+={0,2})(?: ([^\r\n]*))?$/.exec(line.trim()) ?? []
  if (!Object.hasOwn(FIELDS, type)) return undefined
  const blob = Buffer.from(base64, 'base64')
  const [named, ...fields] = splitFields(blob) ?? []
  return named?.toString('latin1') === type && FIELDS[type]!(fields) ? { type, blob, comment } : undefined
}

/** RFC 4251 §5 strings, one after the other to the very end; undefined when they do not fit. */
function splitFields(blob: Buffer): Buffer[] | undefined {
  const fields: Buffer[] = []
  let at = 0
  while (at < blob.length) {
    if (at + 4 > blob.length) return undefined
    const end = at + 4 + blob.readUInt32BE(at)
    if (end > blob.length) return undefined
    fields.push(blob.subarray(at + 4, end))
    at = end
  }
  return fields
}

function isPoint([curve, point, ...rest]: Buffer[], name: SshCurve['ssh']): boolean {
  return curve?.toString('latin1') === name && isPointOf(sshCurve(name)!, point) && rest.length === 0
}

/** Of an unsigned number, its leading zeros not counted. */
export function bitLength(modulus: Buffer): number {
  const first = modulus.findIndex(byte => byte !== 0)
  return first < 0 ? 0 : (modulus.length - first) * 8 - Math.clz32(modulus[first]!) + 24
}
