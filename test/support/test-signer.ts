/** An Ed25519 key for tests that need a signer and no vault. */

import { generateKeyPairSync, sign } from 'node:crypto'

export function testSigner(): { publicKeyPem: string; sign(bytes: Buffer): Buffer } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  return {
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    sign: bytes => sign(null, bytes, privateKey),
  }
}
