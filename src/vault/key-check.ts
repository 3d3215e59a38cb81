/**
 * Finds out at the start whether the key encryption key is the one that this store was sealed with, and whether the store may hold what
 * earlier versions sealed in a weaker form. One sealed value says both: who takes it away gets a new one, which says that nothing is left.
 */

import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { openEnvelope, sealEnvelope } from './envelope.ts'
import type { KeyEncryptionKey } from './key-encryption-key.ts'

const NAME = 'vault-check'
const PURPOSE = 'vault check'
const BEFORE = Buffer.from('this vault opens with this key')
const NOW = Buffer.from('this vault opens with this key, and holds nothing that earlier versions sealed')

/**
 * Marks a new store with the key, or checks the mark of an old one. Throws `VAULT_KEY_MISMATCH` and has then written nothing,
 * so that no value is ever sealed with a second key by mistake.
 */
export async function checkKey(database: Database, clock: Clock, key: KeyEncryptionKey): Promise<void> {
  const mark = { name: NAME, public: key.id, sealed: sealEnvelope(key, PURPOSE, NOW), created_at: clock.now() }
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
  readCheck(key, row.sealed)
}

/** Whether the store was made by an earlier version and not taken over wholly since. Throws `VAULT_DAMAGED`. */
export async function mayHoldEarlier(database: Database, key: KeyEncryptionKey): Promise<boolean> {
  const row = await database.selectFrom('sealed_keys').select('sealed').where('name', '=', NAME).executeTakeFirst()
  return row !== undefined && readCheck(key, row.sealed).equals(BEFORE)
}

/** All that earlier versions sealed has been taken over: nothing of that kind is taken for genuine any more. */
export async function noteTakenOver(database: Database, key: KeyEncryptionKey): Promise<void> {
  const sealed = sealEnvelope(key, PURPOSE, NOW)
  await database.updateTable('sealed_keys').set({ sealed }).where('name', '=', NAME).execute()
}

function readCheck(key: KeyEncryptionKey, sealed: string): Buffer {
  const text = openEnvelope(key, PURPOSE, sealed)
  if (text.equals(BEFORE) || text.equals(NOW)) return text
  throw new GatewayError('VAULT_DAMAGED', "The vault's check value is not what was sealed.")
}
