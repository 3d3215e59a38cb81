/** Makes the gateway's own SSH host keys. */

import ssh2 from 'ssh2'
import { Secret } from '../../shared/secret.ts'
import type { OwnKey } from '../../vault/own-keys.ts'

/** The public half as a known_hosts line without the host, the private one in OpenSSH's form. */
export function generateHostKey(type: 'ed25519' | 'ecdsa'): OwnKey {
  const pair =
    type === 'ed25519'
      ? ssh2.utils.generateKeyPairSync('ed25519')
      : ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 })
  return { public: pair.public, secret: new Secret(pair.private) }
}
