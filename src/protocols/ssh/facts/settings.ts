/** The section `ssh` of the configuration. */

import { z } from 'zod'
import { count, port, proxyProtocol, size, someTime } from '../../../shared/setting-types.ts'

export const sshSettings = z
  .strictObject({
    /** Whether SSH is served. */
    enabled: z.boolean().default(true),
    /** The address to listen on. */
    host: z.string().min(1).default('0.0.0.0'),
    /** The port to listen on; 0: any free one. */
    port: port.default(2222),
    /** Whether a login that names no target is answered: by the menu, and by commands. */
    selfService: z.boolean().default(true),
    /** How long a connection may take to log in. */
    loginGrace: someTime.prefault('2m'),
    /** Proofs that a connection may get wrong before it is closed. */
    maxAuthTries: count.default(6),
    /** Channels that a session may have open at once. */
    maxChannels: count.default(32),
    /** Connections, over all sources, that may be logging in at once. */
    maxUnauthenticated: count.default(200),
    /** Connections that one source address may have at once. */
    maxPerSource: count.default(100),
    proxyProtocol,
    /** New keys after so many bytes in one direction (RFC 4253 §9). */
    rekeyAfter: size.prefault('1GiB'),
    /** New keys after so much time. */
    rekeyEvery: someTime.prefault('1h'),
  })
  .transform(({ loginGrace, rekeyAfter, rekeyEvery, ...rest }) => ({
    ...rest,
    loginGraceMs: loginGrace,
    rekeyBytes: rekeyAfter,
    rekeyMs: rekeyEvery,
  }))

export type SshSettings = z.output<typeof sshSettings>
