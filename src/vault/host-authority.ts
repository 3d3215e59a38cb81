/**
 * The SSH host CA: its key signs the host certificates that clients see in front of targets. Keys follow one another, each sealed in the
 * store like the gateway's other keys, together with the moment from which it signs.
 */

import { createHash, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { z } from 'zod'
import type { Change } from '../database/change.ts'
import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { string } from '../shared/ssh-encoding/wire.ts'
import type { Sealing } from './binding.ts'

export interface HostAuthorityKey {
  /** The first key has the number 1. */
  readonly number: number
  /** As a line of known_hosts without the host: `ssh-ed25519 AAAA…`. */
  readonly publicKey: string
  /** Milliseconds since the epoch: it signs from then on, and until the next one does. */
  readonly from: number
}

/** Signs with the key of now. */
export interface HostSigner {
  /** RFC 4253 §6.6. */
  readonly publicKey: Buffer
  /** Ed25519 (RFC 8032). */
  sign(bytes: Uint8Array): Buffer
}

export interface HostAuthority {
  /** The key that signs now, then those that are to follow. The first to ask makes the first key. */
  keys(): Promise<HostAuthorityKey[]>
  signer(): Promise<HostSigner>
  /**
   * Makes a new key, which signs when `overlapMs` has passed: until then the one of now does, and clients can be given the new one. Keys
   * that sign no more are erased. Returns the keys as `keys` does. Throws `CONFLICT` while another new key waits, unless this one signs at once.
   */
  rotate(overlapMs: number, change: Change): Promise<HostAuthorityKey[]>
}

interface Row {
  readonly number: number
  readonly public: string
  readonly sealed: string
}

const NAME = 'ssh-host-ca-'
const publicSchema = z.strictObject({ publicKey: z.string(), from: z.number() })

export function createHostAuthority(parts: Sealing & { database: Database; clock: Clock }): HostAuthority {
  const { database, clock, seal, open } = parts

  async function read(on: Database): Promise<Row[]> {
    const rows = await on
      .selectFrom('sealed_keys')
      .select(['name', 'public', 'sealed'])
      .where('name', 'like', `${NAME}%`)
      .execute()
    return rows
      .map(({ name, ...row }) => ({ number: Number(name.slice(NAME.length)), ...row }))
      .sort((one, other) => one.number - other.number)
  }

  /** Several gateways may make it at once: one insertion wins, and the others get false. */
  async function make(number: number, from: number, on: Database): Promise<boolean> {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url')
    const blob = Buffer.concat([string('ssh-ed25519'), string(raw)])
    const text = JSON.stringify({ publicKey: `ssh-ed25519 ${blob.toString('base64')}`, from })
    const secret = privateKey.export({ type: 'pkcs8', format: 'der' })
    const sealed = seal(purposeOf(number, text), secret)
    secret.fill(0)
    const { numInsertedOrUpdatedRows } = await on
      .insertInto('sealed_keys')
      .values({ name: `${NAME}${number}`, public: text, sealed, created_at: clock.now() })
      .onConflict(conflict => conflict.column('name').doNothing())
      .executeTakeFirstOrThrow()
    return numInsertedOrUpdatedRows === 1n
  }

  async function standing(on: Database): Promise<Row[]> {
    let rows = await read(on)
    if (rows.length === 0) {
      await make(1, clock.now(), on)
      rows = await read(on)
    }
    const now = clock.now()
    // The clock may have been set back behind the first key of all.
    const current = rows.findLast(row => keyOf(row).from <= now) ?? rows[0]!
    return rows.filter(({ number }) => number >= current.number)
  }

  return {
    async keys() {
      return (await standing(database)).map(keyOf)
    },

    async signer() {
      const [current] = await standing(database)
      const { number, public: text, sealed } = current!
      const secret = open(purposeOf(number, text), sealed)
      try {
        const privateKey = createPrivateKey({ key: secret, format: 'der', type: 'pkcs8' })
        return {
          publicKey: Buffer.from(keyOf(current!).publicKey.split(' ')[1]!, 'base64'),
          sign: bytes => sign(null, bytes, privateKey),
        }
      } finally {
        secret.fill(0)
      }
    },

    rotate(overlapMs, change) {
      return change(async on => {
        const before = await standing(on)
        const waiting = before[1]
        if (waiting !== undefined && overlapMs > 0) {
          const when = new Date(keyOf(waiting).from).toISOString()
          throw new GatewayError(
            'CONFLICT',
            `A new key waits already: it signs from ${when} on. With an overlap of 0s another one signs at once.`,
          )
        }
        if (!(await make(before.at(-1)!.number + 1, clock.now() + overlapMs, on))) {
          throw new GatewayError('CONFLICT', 'Somebody else has rotated it at the same moment; look at it again.')
        }
        const after = await standing(on)
        const erased = (await read(on)).filter(({ number }) => number < after[0]!.number).map(nameOf)
        if (erased.length > 0) await on.deleteFrom('sealed_keys').where('name', 'in', erased).execute()
        return after.map(keyOf)
      })
    },
  }
}

function nameOf({ number }: Row): string {
  return `${NAME}${number}`
}

/** Everything that is said of a key in the clear is part of what it is sealed for: a row that was changed by hand does not open. */
function purposeOf(number: number, publicText: string): string {
  return `SSH host CA ${number} ${createHash('sha256').update(publicText).digest('hex')}`
}

function keyOf({ number, public: text }: Row): HostAuthorityKey {
  return { number, ...publicSchema.parse(JSON.parse(text)) }
}
