/** The gateway's own keys (signing key, SSH host key, TLS key): made once for all gateways of a store, and sealed in it. */

import { createHash, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import type { Signer } from '../shared/cryptography/signer.ts'
import type { OwnKey } from '../shared/own-key.ts'
import { Secret } from '../shared/secret.ts'

interface Parts {
  readonly database: Database
  readonly clock: Clock
  readonly seal: (purpose: string, bytes: Buffer) => string
  readonly open: (purpose: string, sealed: string) => Buffer
}

/**
 * The key of that name; the first to ask makes it with `generate`. When several gateways start at once each may generate,
 * but one insertion wins, and all read the winner's.
 */
export async function readOrMakeOwnKey(
  { database, clock, seal, open }: Parts,
  name: string,
  generate: () => Promise<OwnKey>,
): Promise<OwnKey> {
  const read = () =>
    database.selectFrom('sealed_keys').select(['public', 'sealed']).where('name', '=', name).executeTakeFirst()
  let row = await read()
  if (row === undefined) {
    const made = await generate()
    // The public half is part of the purpose: another one put beside the secret is found out.
    const sealed = seal(purposeOf(name, made.public), made.secret.revealBytes())
    await database
      .insertInto('sealed_keys')
      .values({ name, public: made.public, sealed, created_at: clock.now() })
      .onConflict(conflict => conflict.column('name').doNothing())
      .execute()
    row = await read()
  }
  if (row === undefined) throw new Error(`the key ${name} vanished while it was made`)
  const bytes = open(purposeOf(name, row.public), row.sealed)
  const secret = new Secret(bytes)
  bytes.fill(0)
  return { public: row.public, secret }
}

function purposeOf(name: string, publicHalf: string): string {
  return `own key ${name} ${createHash('sha256').update(publicHalf).digest('hex')}`
}

export async function generateSigningKey(): Promise<OwnKey> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  return {
    public: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    secret: new Secret(privateKey.export({ type: 'pkcs8', format: 'der' })),
  }
}

export function createSigner({ public: publicKeyPem, secret }: OwnKey): Signer {
  const privateKey = createPrivateKey({ key: secret.revealBytes(), format: 'der', type: 'pkcs8' })
  return { publicKeyPem, sign: bytes => sign(null, bytes, privateKey) }
}
