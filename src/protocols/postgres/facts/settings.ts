/** The section `postgres` of the configuration. */

import { z } from 'zod'
import { count, port, proxyProtocol, someTime, tlsFiles } from '../../../shared/setting-types.ts'

export const postgresSettings = z
  .strictObject({
    /** Whether PostgreSQL is served. */
    enabled: z.boolean().default(true),
    /** The address to listen on. */
    host: z.string().min(1).default('0.0.0.0'),
    /** The port to listen on; 0: any free one. */
    port: port.default(5433),
    /** The gateway's certificate; not given: one is made at the first start. */
    tls: tlsFiles.optional(),
    /** Whether clients on this machine's loopback may do without TLS. */
    allowPlaintextFromLoopback: z.boolean().default(false),
    /** Whether a core that is idle may be spent on quicker answers: the gateway then polls for them instead of sleeping. */
    busyPolling: z.boolean().default(true),
    /** How long a connection may take to log in. */
    loginGrace: someTime.prefault('1m'),
    /** Connections, over all sources, that may be logging in at once. */
    maxUnauthenticated: count.default(200),
    /** Connections that one source address may have at once. */
    maxPerSource: count.default(200),
    proxyProtocol,
  })
  .transform(({ loginGrace, ...rest }) => ({ ...rest, loginGraceMs: loginGrace }))

export type PostgresSettings = z.output<typeof postgresSettings>
