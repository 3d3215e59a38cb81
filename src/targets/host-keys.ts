/** The pinned host keys of an SSH target: the only ones behind which the gateway believes the target to be. */

import { HOST_KEY_TYPES, parseSshPublicKey, type SshPublicKey } from '../shared/ssh-public-key.ts'
import type { SshTarget } from './target.ts'

/** Reads `ssh-ed25519 AAAA…`; undefined for what is no host key (FIDO keys are users'). */
export function parseHostKey(line: string): SshPublicKey | undefined {
  const key = parseSshPublicKey(line)
  return key !== undefined && HOST_KEY_TYPES.includes(key.type) ? key : undefined
}

/** The target's pinned keys. A line that cannot be read pins nothing; without any key the target is not used (sshpiper#820). */
export function pinnedKeys(target: SshTarget): SshPublicKey[] {
  return target.hostKeys.map(parseHostKey).filter(key => key !== undefined)
}

/** Whether the key that a server showed is pinned. False when nothing is pinned. */
export function isPinned(target: SshTarget, blob: Buffer): boolean {
  return pinnedKeys(target).some(key => key.blob.equals(blob))
}
