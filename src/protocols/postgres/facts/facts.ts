/** What PostgreSQL says of itself. */

import type { ProtocolFacts } from '../../facts.ts'
import { postgresDatabases } from './databases.ts'
import { postgresIdentity } from './identity.ts'
import { postgresSettings } from './settings.ts'
import { postgresTarget } from './target.ts'

export const postgres = {
  name: 'postgres',
  title: 'PostgreSQL',
  served: new URL('../served.ts', import.meta.url),
  channels: ['sql', 'replication'],
  usualChannels: ['sql'],
  settings: postgresSettings,
  showsCertificate: true,
  selfService: false,
  target: postgresTarget,
  identity: postgresIdentity,
  databases: postgresDatabases,
  words: {
    loginRefused:
      'The login was refused. Check the login name and the database, the password, and the one-time code, then try again.',
    usedCode: 'Clients that open several (pg_dump -j, \\c, pools) need a role with rememberFactor.',
    sayWords: ticket =>
      String.raw`PGOPTIONS='-c sallyport.reason=...${ticket ? ' -c sallyport.ticket=...' : ''}' psql ..., with each space in it as "\ "`,
    knownBy: 'it is known by its certificate (tls, ca)',
  },
} as const satisfies ProtocolFacts
