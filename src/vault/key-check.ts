/** Finds out at the start whether the key encryption key is the one that this store was sealed with. */

import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { openEnvelope, sealEnvelope } from './envelope.ts'
import type { KeyEncryptionKey } from './key-encryption-key.ts'

const NAME = 'vault-check'
const PURPOSE = 'vault check'
const TEXT = Buffer.from('this vault opens with this key')

/**
 * Marks a new store with the key, or checks the mark of an old one. Throws `VAULT_KEY_MISMATCH` and has then written nothing,
 * so that no value is ever sealed with a second key by mistake.
 */
export async function checkKey(database: Database, clock: Clock, key: KeyEncryptionKey): Promise<void> {
  const mark = { name: NAME, public: key.id, sealed: sealEnvelope(key, PURPOSE, TEXT), created_at: clock.now() }
  await database
    .insertInto('sealed_keys')
    .values(mark)
    .onConflict(conflict => conflict.column('name').doNothing())
    .execute()
  const row = await database
    .selectFrom('sealed_keys')
    .select(['public', 'sealed'])
    .where('name', '=', NAME)
    .executeTakeFirstOrThrow()
  if (row.public !== key.id) {
    throw new GatewayError(
      'VAULT_KEY_MISMATCH',
      `The vault key does not fit this store: the key given has the id ${key.id}, the store was sealed with ${row.public}. ` +
        'Give the key that the store was made with; nothing was changed.',
    )
  }
  if (!openEnvelope(key, PURPOSE, row.sealed).equals(TEXT)) {
    throw new GatewayError('VAULT_DAMAGED', "The vault's check value is not what was sealed.")
  }
}
