/** What others do with an entry of a PostgreSQL target. */

import type { TargetFacts } from '../../facts.ts'
import { checkEntry } from './check.ts'
import { type PostgresEntry, postgresFields } from './entry.ts'

export const postgresTarget = {
  defaultPort: 5432,
  fields: postgresFields,
  check: checkEntry,
  /** The folder of its Unix socket. */
  isHost: (host: string) => host.startsWith('/'),
  showsUserIn: ({ showUserIn }: PostgresEntry) => showUserIn,
  describeIdentity: ({ tls }: PostgresEntry) => ({ text: `tls ${tls}`, known: true }),
  describe: ({ database, databases }: PostgresEntry): [string, string | undefined][] => [
    ['database', database],
    ['databases', databases?.join(', ')],
  ],
  asks: 'logins',
} as const satisfies TargetFacts
