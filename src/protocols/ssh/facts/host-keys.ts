/** The host keys that an SSH target's entry may pin. */

import { HOST_KEY_TYPES, parseSshPublicKey, type SshPublicKey } from '../../../shared/ssh-encoding/public-key.ts'

/** Reads `ssh-ed25519 AAAA…`; undefined for what is no host key (FIDO keys are users'). */
export function parseHostKey(line: string): SshPublicKey | undefined {
  const key = parseSshPublicKey(line)
  return key !== undefined && HOST_KEY_TYPES.includes(key.type) ? key : undefined
}
