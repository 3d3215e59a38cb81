/**
 * The links of the audit chain: what an event's hash covers, and how a link is made and checked.
 *
 * The hash is SHA-256 over these fields in this order, each as UTF-8 text after its length in bytes (4 bytes, big-endian):
 * `sallyport-audit-1`, seq, at, gateway, kind, actor, session (empty where there is none), data (its JSON text as stored),
 * previous (the hash of the event before, hex; empty for the first). Numbers are decimal. The signature is Ed25519 over the
 * 32 bytes of the hash. `hash` is written as hex, `signature` as base64url.
 */

import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import type { AuditEventTable } from '../../database/schema.ts'
import type { Signer } from '../../shared/cryptography/signer.ts'
import { GatewayError } from '../../shared/errors.ts'

/** An event as it is stored, with its place in the chain. `data` is JSON text. */
export type AuditRow = AuditEventTable

export type UnlinkedRow = Pick<AuditRow, 'at' | 'gateway' | 'kind' | 'actor' | 'session' | 'data'>

/** The end of a chain: `seq` 0 and an empty hash before the first event. */
export interface ChainHead {
  readonly seq: number
  readonly hash: string
}

export function hashOf(row: Omit<AuditRow, 'hash' | 'signature'>): Buffer {
  const hash = createHash('sha256')
  const fields = [row.seq, row.at, row.gateway, row.kind, row.actor, row.session ?? '', row.data, row.previous]
  for (const field of ['sallyport-audit-1', ...fields]) {
    const bytes = Buffer.from(String(field), 'utf8')
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    hash.update(length).update(bytes)
  }
  return hash.digest()
}

/** Appends one event to the chain that ends in `head`. */
export function link(head: ChainHead, event: UnlinkedRow, signer: Signer): AuditRow {
  const unsigned = { seq: head.seq + 1, ...event, previous: head.hash }
  const hash = hashOf(unsigned)
  return { ...unsigned, hash: hash.toString('hex'), signature: signer.sign(hash).toString('base64url') }
}

export type ChainProblem = 'missing' | 'changed' | 'reordered' | 'bad-signature' | 'truncated'

/** Checks that `row` follows `head` and is what was signed; undefined when all is well. The signature is checked off the main thread. */
export async function checkLink(
  head: ChainHead,
  row: AuditRow,
  publicKey: KeyObject,
): Promise<{ problem: ChainProblem; message: string } | undefined> {
  if (row.seq > head.seq + 1) return { problem: 'missing', message: `event ${head.seq + 1} is missing` }
  if (row.seq <= head.seq) return { problem: 'reordered', message: `event ${row.seq} comes after event ${head.seq}` }
  const broken = await checkAlone(row, publicKey)
  if (broken !== undefined) return broken
  if (row.previous !== head.hash) {
    return { problem: 'reordered', message: `event ${row.seq} does not follow the event before it` }
  }
  return undefined
}

/** Checks what one event says of itself: its hash and its signature. */
export async function checkAlone(
  row: AuditRow,
  publicKey: KeyObject,
): Promise<{ problem: ChainProblem; message: string } | undefined> {
  const hash = hashOf(row)
  if (hash.toString('hex') !== row.hash) {
    return { problem: 'changed', message: `event ${row.seq} is not what its hash says` }
  }
  const signature = Buffer.from(row.signature, 'base64url')
  // Decoding is lenient: what it leaves out was added by somebody.
  if (signature.toString('base64url') !== row.signature) {
    return { problem: 'bad-signature', message: `event ${row.seq} has a signature that is not written as one` }
  }
  const signed = await new Promise<boolean>((resolve, reject) =>
    verify(null, hash, publicKey, signature, (error, good) => (error ? reject(error) : resolve(good))),
  )
  return signed ? undefined : { problem: 'bad-signature', message: `event ${row.seq} is not signed by this key` }
}

/** Of PEM. Throws `BAD_REQUEST` for what is not an Ed25519 key. */
export function readPublicKey(pem: string): KeyObject {
  try {
    const key = createPublicKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {
    // Told below: a caller can do nothing with OpenSSL's words.
  }
  throw new GatewayError('BAD_REQUEST', 'The public key is not an Ed25519 key in PEM form.')
}
