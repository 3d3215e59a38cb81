/** The algorithms the gateway offers: modern ones only, the same list towards users and targets. */

import { HYBRID } from './hybrid-key-exchange.ts'

/** The first is secure against quantum computers too: OpenSSH warns its user from 10.1 on where it is missing. */
export const KEY_EXCHANGES = [
  HYBRID,
  'curve25519-sha256',
  'curve25519-sha256@libssh.org',
  'ecdh-sha2-nistp256',
  'ecdh-sha2-nistp384',
  'ecdh-sha2-nistp521',
]

/** AES-GCM first: with the native binding it is the fastest, and what a client asks for first wins anyway. */
export const CIPHERS = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'chacha20-poly1305@openssh.com',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
]

export const MACS = ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512']

/** Host key algorithms the gateway verifies at a target, best first; an RSA key never signs with SHA-1. */
export const HOST_KEY_ALGORITHMS = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
]

/** The signature algorithms that a key of this type (the first string of its blob) may use. */
export function signatureAlgorithms(keyType: string): string[] {
  return keyType === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [keyType]
}

/** What a user's key may sign with: told to clients in `server-sig-algs` (RFC 8308 §3.1). */
export const USER_SIGNATURE_ALGORITHMS = [
  'ssh-ed25519',
  'sk-ssh-ed25519@openssh.com',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ecdsa-sha2-nistp256@openssh.com',
  'rsa-sha2-512',
  'rsa-sha2-256',
]
