/** The attestations in the store: one for a request, written once. Nobody else writes to `access_attestations`. */

import type { Database } from '../../database/database.ts'
import type { Attestation } from './attestation.ts'

export type AttestationRows = ReturnType<typeof createAttestationRows>

export function createAttestationRows(database: Database) {
  return {
    /** False where there is one already. */
    async insert(attestation: Attestation, on: Database): Promise<boolean> {
      const { request, at } = attestation
      const { numInsertedOrUpdatedRows } = await on
        .insertInto('access_attestations')
        .values({ request, at, document: JSON.stringify(attestation) })
        .onConflict(conflict => conflict.doNothing())
        .executeTakeFirst()
      return (numInsertedOrUpdatedRows ?? 0n) > 0n
    },

    async get(request: string): Promise<Attestation | undefined> {
      const found = database.selectFrom('access_attestations').select('document').where('request', '=', request)
      const row = await found.executeTakeFirst()
      return row && (JSON.parse(row.document) as Attestation)
    },
  }
}
