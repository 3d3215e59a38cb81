/** The public key factor: reads lines as in authorized_keys and compares the keys that people prove to hold. */

import { type Refusal, refuse } from '../../shared/errors.ts'

export interface PublicKey {
  readonly type: string
  /** RFC 4253 §6.6: the key in SSH's wire form. */
  readonly blob: Buffer
  readonly comment: string
}

const MIN_RSA_BITS = 2048
const MAX_RSA_BITS = 16_384
const MAX_LINE = 8192

/** What follows the type in the blob: RFC 8709, RFC 5656, RFC 4253 §6.6, OpenSSH PROTOCOL.u2f. */
const FORMS: Record<string, (fields: Buffer[]) => string | undefined> = {
  'ssh-ed25519': fields => (fields.length === 1 ? ed25519Problem(fields[0]!) : 'it has a wrong number of fields'),
  'ecdsa-sha2-nistp256': fields => ecdsaProblem(fields, 'nistp256', 65, 2),
  'ecdsa-sha2-nistp384': fields => ecdsaProblem(fields, 'nistp384', 97, 2),
  'ecdsa-sha2-nistp521': fields => ecdsaProblem(fields, 'nistp521', 133, 2),
  'ssh-rsa': rsaProblem,
  'sk-ssh-ed25519@openssh.com': fields =>
    fields.length === 2 ? ed25519Problem(fields[0]!) : 'it has a wrong number of fields',
  'sk-ecdsa-sha2-nistp256@openssh.com': fields => ecdsaProblem(fields, 'nistp256', 65, 3),
}

/** Reads `type base64 [comment]`. The refusal (`RESOURCE_INVALID`) says what is wrong with the line and what was meant. */
export function parsePublicKey(line: string): PublicKey | Refusal {
  const invalid = (problem: string) => refuse('RESOURCE_INVALID', `The public key cannot be used: ${problem}.`)
  if (line.length > MAX_LINE) return invalid('it is too long')
  if (/[\r\n]/.test(line.trim())) return invalid('it is more than one line')
  if (line.includes('PRIVATE KEY'))
    return invalid('this is a private key, which belongs on the person’s own machine alone')
  const [type = '', base64 = '', ...comment] = line.trim().split(/\s+/)
  if (type.includes('-cert-v01@')) return invalid('it is a certificate, not a plain public key')
  if (type === 'ssh-dss') return invalid('DSA keys are not accepted; make one with ssh-keygen -t ed25519')
  const problemOf = Object.hasOwn(FORMS, type) ? FORMS[type] : undefined
  if (problemOf === undefined) {
    return invalid(
      `"${type.slice(0, 40)}" is not a type of key; a line is like "ssh-ed25519 AAAA… comment", without options`,
    )
  }
  const blob = Buffer.from(base64, 'base64')
  if (blob.toString('base64') !== base64) return invalid('its base64 text is damaged or cut off')
  const fields = fieldsOf(blob)
  if (fields === undefined || fields[0]?.toString('latin1') !== type) return invalid('its text does not match its type')
  const problem = problemOf(fields.slice(1))
  return problem === undefined ? { type, blob, comment: comment.join(' ') } : invalid(problem)
}

/** Whether one of the lines is this key. Lines that cannot be used match nothing. */
export function holdsPublicKey(lines: readonly string[], blob: Buffer): boolean {
  return lines.some(line => {
    const key = parsePublicKey(line)
    return 'blob' in key && key.blob.equals(blob)
  })
}

/** All length-prefixed strings of the blob; undefined when it does not come out even (RFC 4251 §5). */
function fieldsOf(blob: Buffer): Buffer[] | undefined {
  const fields: Buffer[] = []
  for (let at = 0; at < blob.length; ) {
    if (blob.length - at < 4) return undefined
    const length = blob.readUInt32BE(at)
    if (length > blob.length - at - 4) return undefined
    fields.push(blob.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return fields
}

function ed25519Problem(key: Buffer): string | undefined {
  return key.length === 32 ? undefined : 'an Ed25519 key has 32 bytes'
}

function ecdsaProblem(fields: Buffer[], curve: string, pointBytes: number, count: number): string | undefined {
  const [name, point] = fields
  if (fields.length !== count || name?.toString('latin1') !== curve) return 'its curve does not match its type'
  return point?.length === pointBytes && point[0] === 4 ? undefined : 'its point is not of the uncompressed form'
}

function rsaProblem(fields: Buffer[]): string | undefined {
  const [exponent, modulus] = fields
  if (fields.length !== 2 || exponent === undefined || modulus === undefined) return 'it has a wrong number of fields'
  const bits = bitsOf(modulus)
  if (bits < MIN_RSA_BITS) return `an RSA key needs at least ${MIN_RSA_BITS} bits, this one has ${bits}`
  if (bits > MAX_RSA_BITS) return `an RSA key has at most ${MAX_RSA_BITS} bits`
  return bitsOf(exponent) >= 2 && (exponent.at(-1)! & 1) === 1 ? undefined : 'its exponent is not usable'
}

function bitsOf(mpint: Buffer): number {
  const first = mpint.findIndex(byte => byte !== 0)
  return first === -1 ? 0 : (mpint.length - first) * 8 - (Math.clz32(mpint[first]!) - 24)
}
