/** PostgreSQL as the gateway loads it. */

import type { HandlerParts, ServedProtocol } from '../../session/served-protocol.ts'
import { createPostgresConnectionHandler } from './client-side/connection-handler.ts'
import { createRecentTlsRefusals } from './client-side/recent-tls-refusals.ts'
import type { PostgresSettings } from './facts/settings.ts'
import { createPostgresProtocol } from './protocol.ts'
import { postgresRole } from './rotation/connector.ts'
import { remainsAtServer } from './rotation/remains.ts'
import { askLogins } from './target-side/ask-login.ts'
import { createCancellations } from './target-side/cancel.ts'
import { provePostgresTarget } from './target-side/prove-target.ts'
import { connectUpstream, ownParameters } from './target-side/upstream.ts'

async function createHandler(parts: HandlerParts) {
  const { cluster, dialerFor, log, refused, started } = parts
  const cancellations = await createCancellations({ cluster, log })
  started.defer(() => cancellations.close())
  const { allowPlaintextFromLoopback, busyPolling, loginGraceMs } = parts.settings as PostgresSettings
  return createPostgresConnectionHandler({
    ...parts,
    tls: parts.certificate!,
    allowPlaintextFromLoopback,
    loginGraceMs,
    protocol: createPostgresProtocol({ cancellations, dialerFor, log, busyPolling }),
    cancellations,
    tlsRefusals: createRecentTlsRefusals({ cluster, log }),
    refused: ({ source, code, session, detail }) => refused({ source, code, why: detail, session }),
  })
}

export default {
  createHandler,
  prove: provePostgresTarget,
  logIn: (login, signal) => connectUpstream(login, target => ownParameters(login, target), signal),
  askLogins,
  remains: remainsAtServer,
  connectors: [postgresRole],
} satisfies ServedProtocol
