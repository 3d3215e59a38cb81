/** Names bytes by their hash, as `ssh-keygen -l` does. */

import { createHash } from 'node:crypto'

/** `SHA256:` and the hash in base64 without padding. */
export function fingerprint(bytes: string | Uint8Array): string {
  return `SHA256:${createHash('sha256').update(bytes).digest('base64').replace(/=+$/, '')}`
}
