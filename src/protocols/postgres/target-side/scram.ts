/** SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the client's side (RFC 5802, RFC 7677), with proof that the server knows the password too. */

import { createHash, randomBytes, timingSafeEqual, X509Certificate } from 'node:crypto'
import type { Secret } from '../../../shared/secret.ts'
import { violation } from '../wire/violation.ts'
import { hmac, saltedPassword } from './salted-password.ts'

export type Mechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS'

/** What the client says of channel binding: not possible, possible but not offered, used with these bytes (RFC 5802 §7). */
export type ChannelBinding = 'n' | 'y' | Buffer

export interface ScramClient {
  readonly mechanism: Mechanism
  /** client-first-message */
  readonly first: string
  /** Reads server-first-message; gives client-final-message. Throws PROTOCOL_VIOLATION, and what `mayCost` throws. */
  final(serverFirst: string, password: Secret): Promise<string>
  /** True when server-final-message proves that the server knows the password. */
  proves(serverFinal: string): boolean
}

/** `mayCost` is asked before the password is touched: it throws for a number of iterations that is not allowed. */
export function createScramClient(
  binding: ChannelBinding,
  mayCost: (iterations: number) => void,
  nonce = randomBytes(18).toString('base64'),
): ScramClient {
  const plus = Buffer.isBuffer(binding)
  const header = plus ? 'p=tls-server-end-point,,' : `${binding},,`
  const bare = `n=,r=${nonce}`
  let serverSignature: Buffer | undefined
  return {
    mechanism: plus ? 'SCRAM-SHA-256-PLUS' : 'SCRAM-SHA-256',
    first: header + bare,
    async final(serverFirst, password) {
      const { salt, iterations, serverNonce } = readServerFirst(serverFirst, nonce)
      mayCost(iterations)
      const salted = await saltedPassword(password, salt, iterations)
      const bound = Buffer.concat([Buffer.from(header), plus ? binding : Buffer.alloc(0)]).toString('base64')
      const withoutProof = `c=${bound},r=${serverNonce}`
      const transcript = `${bare},${serverFirst},${withoutProof}`
      const clientKey = hmac(salted, 'Client Key')
      const signature = hmac(createHash('sha256').update(clientKey).digest(), transcript)
      const proof = Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]!))
      serverSignature = hmac(hmac(salted, 'Server Key'), transcript)
      for (const asGoodAsThePassword of [salted, clientKey]) asGoodAsThePassword.fill(0)
      return `${withoutProof},p=${proof.toString('base64')}`
    },
    proves(serverFinal) {
      const verifier = Buffer.from(/^v=([^,]+)/.exec(serverFinal)?.[1] ?? '', 'base64')
      return (
        serverSignature !== undefined &&
        verifier.length === serverSignature.length &&
        timingSafeEqual(verifier, serverSignature)
      )
    },
  }
}

function readServerFirst(text: string, nonce: string): { salt: Buffer; iterations: number; serverNonce: string } {
  const match = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/]+=*),i=([1-9]\d{0,9})(,|$)/.exec(text)
  if (match === null) throw violation("the server's SCRAM message cannot be read")
  const [, serverNonce, salt, count] = match as unknown as [string, string, string, string]
  const iterations = Number(count)
  if (!serverNonce.startsWith(nonce) || serverNonce === nonce)
    throw violation("the server's SCRAM nonce is not made from ours")
  return { salt: Buffer.from(salt, 'base64'), iterations, serverNonce }
}

/**
 * The tls-server-end-point data of a certificate (RFC 5929 §4.1): its hash by the hash of its signature, MD5 and SHA-1 replaced by
 * SHA-256. Undefined where the signature has no single hash (Ed25519, RSA-PSS): then there is no channel binding.
 */
export function tlsServerEndPoint(certificate: Buffer): Buffer | undefined {
  const signature = new X509Certificate(certificate).signatureAlgorithm ?? ''
  const hash = /^(?:ecdsa-with-|)(md5|sha1|sha224|sha256|sha384|sha512)(?:With|$)/i.exec(signature)?.[1]?.toLowerCase()
  if (hash === undefined) return undefined
  return createHash(hash === 'md5' || hash === 'sha1' ? 'sha256' : hash)
    .update(certificate)
    .digest()
}
