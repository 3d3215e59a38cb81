/** Makes SSH key pairs: the gateway's own host keys. */

import { Secret } from '../../../shared/secret.ts'
import { ssh2 } from './ssh2-internals.ts'

export interface SshKeyPair {
  /** As a line of authorized_keys, or of known_hosts without the host. */
  readonly public: string
  /** In OpenSSH's form, without a passphrase. */
  readonly secret: Secret
}

/** About one in three hundred Ed25519 keys that ssh2 makes cannot be read again, by itself or others: those are thrown away. */
export function generateKeyPair(type: 'ed25519' | 'ecdsa', comment = ''): SshKeyPair {
  while (true) {
    const pair =
      type === 'ed25519'
        ? ssh2.utils.generateKeyPairSync('ed25519', { comment })
        : ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256, comment })
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error))
      return { public: pair.public, secret: new Secret(pair.private) }
  }
}
