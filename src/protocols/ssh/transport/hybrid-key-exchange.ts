/**
 * Adds the post-quantum key exchange mlkem768x25519-sha256 (draft-ietf-sshm-mlkem-hybrid-kex) to one connection of ssh2,
 * which has no place for further methods: it negotiates its X25519 method, and gets the hybrid's numbers put in.
 */

import {
  createHash,
  createPublicKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import { string, WireReader } from '../../../shared/ssh-encoding/wire.ts'
import type { Ssh2Protocol } from './ssh2-internals.ts'

export const HYBRID = 'mlkem768x25519-sha256'
/** What ssh2 takes it for. It must be in the offer as well. */
const STAND_IN = 'curve25519-sha256'

const KEM_PUBLIC_BYTES = 1184
const KEM_CIPHERTEXT_BYTES = 1088
const X25519_BYTES = 32
/** SubjectPublicKeyInfo up to the key's own bytes. */
const KEM_PREFIX = Buffer.from('308204b2300b0609608648016503040402038204a100', 'hex')
const X25519_PREFIX = Buffer.from('302a300506032b656e032100', 'hex')

/** Where the list of key exchanges stands in KEXINIT: behind the message number and the cookie (RFC 4253 §7.1). */
const LIST_AT = 17

/** `ours` is our list of key exchanges, in order. Call it before the peer's first KEXINIT is read; give it each one. */
export function installHybrid(protocol: Ssh2Protocol, isServer: boolean, ours: readonly string[]) {
  let kexinit: Buffer | undefined
  protocol.sallyportExchanges.push(exchange => {
    if (kexinit === undefined) return
    // The exchange hash covers what the peer really said.
    exchange._remoteKexinit = kexinit
    exchange.negotiated.kex = HYBRID
    Object.assign(exchange, isServer ? serverMethods() : clientMethods())
  })
  /** Returns the KEXINIT that ssh2 is to see in place of the peer's. */
  return (payload: Buffer): Buffer => {
    kexinit = undefined
    const reader = new WireReader(payload, LIST_AT)
    const theirs = reader.nameList()
    const [first, second] = isServer ? [theirs, ours] : [ours, theirs]
    if (first.find(name => second.includes(name)) !== HYBRID) return payload
    kexinit = payload
    // A first packet that was sent on a wrong guess is to be thrown away (RFC 4253 §7).
    const guessed = payload[payload.length - 5] === 1 && theirs[0] !== HYBRID
    if (guessed) protocol._skipNextInboundPacket = true
    const signals = theirs.filter(name => /^(ext-info|kex-strict)-/.test(name))
    const list = string([STAND_IN, ...signals].join(','))
    return Buffer.concat([payload.subarray(0, LIST_AT), list, payload.subarray(reader.offset)])
  }
}

/** What ssh2's KeyExchange asks its method for. The secret is a string of 32 bytes in this method, not an mpint. */
interface Methods {
  generateKeys(): void
  getPublicKey(): Buffer
  convertPublicKey(key: Buffer): Buffer
  computeSecret(peer: Buffer): Buffer | Error
}

function clientMethods(): Methods {
  const kem = generateKeyPairSync('ml-kem-768')
  const x25519 = generateKeyPairSync('x25519')
  const offer = Buffer.concat([rawKey(kem.publicKey, KEM_PUBLIC_BYTES), rawKey(x25519.publicKey, X25519_BYTES)])
  return {
    generateKeys() {},
    getPublicKey: () => offer,
    convertPublicKey: key => key,
    computeSecret: peer =>
      attempt(() => {
        const [ciphertext, publicKey] = split(peer, KEM_CIPHERTEXT_BYTES)
        return combine(decapsulate(kem.privateKey, ciphertext), agree(x25519.privateKey, publicKey))
      }),
  }
}

function serverMethods(): Methods {
  const x25519 = generateKeyPairSync('x25519')
  let ciphertext = Buffer.alloc(0)
  return {
    generateKeys() {},
    getPublicKey: () => Buffer.concat([ciphertext, rawKey(x25519.publicKey, X25519_BYTES)]),
    convertPublicKey: key => key,
    computeSecret: peer =>
      attempt(() => {
        const [kemKey, publicKey] = split(peer, KEM_PUBLIC_BYTES)
        const sealed = encapsulate(publicKeyOf(KEM_PREFIX, kemKey))
        ciphertext = sealed.ciphertext
        return combine(sealed.sharedKey, agree(x25519.privateKey, publicKey))
      }),
  }
}

/** ssh2 wants errors as values here; it ends the connection with them. */
function attempt(compute: () => Buffer): Buffer | Error {
  try {
    return compute()
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

function split(bytes: Buffer, kemBytes: number): [Buffer, Buffer] {
  if (bytes.length !== kemBytes + X25519_BYTES) throw new Error('a hybrid key of a wrong length')
  return [bytes.subarray(0, kemBytes), bytes.subarray(kemBytes)]
}

function agree(privateKey: KeyObject, peer: Buffer): Buffer {
  return diffieHellman({ privateKey, publicKey: publicKeyOf(X25519_PREFIX, peer) })
}

function combine(kem: Buffer, classical: Buffer): Buffer {
  return createHash('sha256').update(kem).update(classical).digest()
}

function publicKeyOf(prefix: Buffer, raw: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([prefix, raw]), format: 'der', type: 'spki' })
}

function rawKey(key: KeyObject, bytes: number): Buffer {
  const der = key.export({ format: 'der', type: 'spki' })
  return der.subarray(der.length - bytes)
}
