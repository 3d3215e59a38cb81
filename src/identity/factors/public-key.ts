/** The public key factor: compares a key that someone proved to hold with those of a user's entry. */

import { parseSshPublicKey } from '../../shared/ssh-encoding/public-key.ts'

/**
 * Whether one of the lines (as in authorized_keys, without options) is this key: the same bytes, so that a certificate, another type
 * or an RSA key that is too short never passes for it. Lines that cannot be read hold nothing.
 */
export function holdsPublicKey(lines: readonly string[], blob: Buffer): boolean {
  return lines.some(line => parseSshPublicKey(line)?.blob.equals(blob) === true)
}
