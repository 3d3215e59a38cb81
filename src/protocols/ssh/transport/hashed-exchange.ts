/** What the hash of a connection's first key exchange is made of (RFC 4253 §8): who has it can tell from the hash which connection it is of. */

import { createHash } from 'node:crypto'
import { string, WireError, WireReader } from '../../../shared/ssh-encoding/wire.ts'
import type { KeyExchange, Ssh2Protocol } from './ssh2-internals.ts'

/** RFC 4253 §7.1: its number, and then the cookie. */
const KEXINIT = 20
const COOKIE_BYTES = 16
/** The hashes of the exchanges that the gateway offers, by their length. */
const HASHES: Readonly<Record<number, string>> = { 32: 'sha256', 48: 'sha384', 64: 'sha512' }

/** For a server, before its first key exchange. Gives what is hashed once that has ended; ssh2 keeps it no longer than it needs it. */
export function keepHashed(protocol: Ssh2Protocol): () => Buffer | undefined {
  let isFirst = true
  let hashed: Buffer | undefined
  protocol.sallyportExchanges.push(exchange => {
    if (!isFirst) return
    isFirst = false
    const compute = exchange.computeSecret
    exchange.computeSecret = peer => {
      const secret = Reflect.apply(compute, exchange, [peer]) as Buffer | Error
      if (Buffer.isBuffer(secret)) hashed = hashedOf(exchange, peer, secret)
      return secret
    }
  })
  return () => hashed
}

function hashedOf(exchange: KeyExchange, peer: Buffer, secret: Buffer): Buffer {
  const fields = [
    ...[exchange._remoteIdentRaw, exchange._identRaw, exchange._remoteKexinit, exchange._kexinit],
    ...[exchange._hostKey.getPublicSSH(), exchange.convertPublicKey(peer), exchange.getPublicKey(), secret],
  ]
  return Buffer.concat(fields.map(string))
}

/** The cookie of the server's KEXINIT in what this is the hash of; undefined where it is not. Never throws. */
export function serverCookieIn(hashed: Buffer, hash: Buffer): Buffer | undefined {
  const name = HASHES[hash.length]
  if (name === undefined || !createHash(name).update(hashed).digest().equals(hash)) return undefined
  try {
    const fields = new WireReader(hashed)
    // Both identifications, and the client's KEXINIT.
    for (let i = 0; i < 3; i++) fields.string()
    const kexinit = fields.string()
    return kexinit[0] === KEXINIT ? kexinit.subarray(1, 1 + COOKIE_BYTES) : undefined
  } catch (error) {
    if (error instanceof WireError) return undefined
    throw error
  }
}
