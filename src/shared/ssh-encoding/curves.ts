/** The elliptic curves that SSH has (RFC 5656 §10.1): what SSH, Node, JWK and DER call each, and the hash that goes with it (§6.2.1). */

const oid = (hex: string) => Buffer.from(hex, 'hex')

export const SSH_CURVES = [
  { ssh: 'nistp256', node: 'prime256v1', jwk: 'P-256', bytes: 32, hash: 'sha256', oid: oid('06082a8648ce3d030107') },
  { ssh: 'nistp384', node: 'secp384r1', jwk: 'P-384', bytes: 48, hash: 'sha384', oid: oid('06052b81040022') },
  { ssh: 'nistp521', node: 'secp521r1', jwk: 'P-521', bytes: 66, hash: 'sha512', oid: oid('06052b81040023') },
] as const

export type SshCurve = (typeof SSH_CURVES)[number]

/** Of `nistp256`; undefined where there is none of that name. */
export function sshCurve(name: string): SshCurve | undefined {
  return SSH_CURVES.find(({ ssh }) => ssh === name)
}

/** Whether it is a point of this curve as SSH writes it: not compressed (RFC 5656 §3.1). */
export function isPointOf({ bytes }: SshCurve, point: Buffer | undefined): point is Buffer {
  return point?.length === 1 + 2 * bytes && point[0] === 4
}
