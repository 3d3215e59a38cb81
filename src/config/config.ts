/** The one schema of the configuration: what may stand in sallyport.yaml, its defaults, and its types. */

import { join, resolve } from 'node:path'
import { z } from 'zod'
import { parseNetwork } from '../policy/networks.ts'
import { durationText } from '../policy/role.ts'
import { bytesOf, sizeText } from '../policy/size-text.ts'
import { FACTORS } from '../shared/vocabulary.ts'

/** Parses to bytes. */
const size = sizeText.transform(bytesOf)

/** Node's timers count no further than 24.8 days. */
const LONGEST_MS = 24 * 86_400_000
const time = durationText.refine(ms => ms <= LONGEST_MS, 'at most 24d')
const someTime = time.refine(ms => ms > 0, 'must be more than 0')

const LONGEST_TOKEN_MS = 366 * 86_400_000

const port = z.number().int().min(0).max(65535)
const path = z.string().min(1)
const count = z.number().int().min(1)
const tls = z.strictObject({
  /** PEM file of the private key. */
  keyFile: path,
  /** PEM file of the certificate, with its intermediates. */
  certificateFile: path,
})

const network = z
  .string()
  .refine(text => parseNetwork(text) !== undefined, 'a network is written as 10.0.0.0/8 or 2001:db8::/32')

const proxyProtocolSchema = z.strictObject({
  /** Balancers: their connections begin with a header of the PROXY protocol, which says where they come from. */
  from: z.array(network).default([]),
})

const sshSchema = z
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
    proxyProtocol: proxyProtocolSchema.prefault({}),
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

const postgresSchema = z
  .strictObject({
    /** Whether PostgreSQL is served. */
    enabled: z.boolean().default(true),
    /** The address to listen on. */
    host: z.string().min(1).default('0.0.0.0'),
    /** The port to listen on; 0: any free one. */
    port: port.default(5433),
    /** The gateway's certificate; not given: one is made at the first start. */
    tls: tls.optional(),
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
    proxyProtocol: proxyProtocolSchema.prefault({}),
  })
  .transform(({ loginGrace, ...rest }) => ({ ...rest, loginGraceMs: loginGrace }))

const personalTokensSchema = z
  .strictObject({
    /** No personal token is valid for longer, whatever it was made for; 0s: there are none. */
    maxAge: durationText.refine(ms => ms <= LONGEST_TOKEN_MS, 'at most 366d').prefault('30d'),
  })
  .transform(({ maxAge }) => ({ maxAgeMs: maxAge }))

const apiSchema = z.strictObject({
  /** The Unix socket for the owner of the gateway's process; not given: sallyport.sock in the data folder. */
  socket: path.optional(),
  /** Whether the API is served on TLS too, for holders of a token. */
  enabled: z.boolean().default(true),
  /** The address to listen on. */
  host: z.string().min(1).default('127.0.0.1'),
  /** The port to listen on; 0: any free one. */
  port: port.default(8443),
  proxyProtocol: proxyProtocolSchema.prefault({}),
  /** How people reach it, `https://gateway.example:8443`: what `sallyport login` is told; not given: the name by which they reach SSH. */
  url: z
    .url({ protocol: /^https$/, error: 'a URL is written as https://host:port' })
    .refine(text => URL.parse(text)?.pathname === '/' && !/[?#@]/.test(text), 'a URL here has a host and a port alone')
    .optional(),
  /** Tokens that people make for themselves, by ssh. */
  personalTokens: personalTokensSchema.prefault({}),
  /** The API's certificate; not given: one is made at the first start. */
  tls: tls.optional(),
})

const sourcesSchema = z
  .strictObject({
    /** How long a source is known after a login: places are kept for known sources, and they are never held off. */
    knownFor: time.prefault('1d'),
    penalties: z
      .strictObject({
        /** For a connection that left, or was cut, without trying to log in. */
        silence: time.prefault('1s'),
        /** For one that proved nothing. */
        failure: time.prefault('5s'),
        /** For one whose time to log in ran out. */
        slow: time.prefault('10s'),
        /** For one that broke the protocol. */
        violation: time.prefault('30s'),
        /** Penalties of a source add up; from here on it is held off until they are over. */
        least: time.prefault('15s'),
        /** No source is held off for longer. */
        longest: time.prefault('10m'),
        /** Networks that are never held off. */
        exempt: z.array(network).default(['127.0.0.0/8', '::1/128']),
      })
      .prefault({}),
  })
  .transform(({ knownFor, penalties: { silence, failure, slow, violation, least, longest, exempt } }) => ({
    knownForMs: knownFor,
    penaltyMs: { silence, failure, slow, violation },
    leastMs: least,
    longestMs: longest,
    exempt,
  }))

const lockoutSchema = z
  .strictObject({
    /** Failures at one factor of one user that are free of a wait. */
    tries: count.max(100).default(10),
    /** The wait after the last of them; each further failure doubles it. */
    firstWait: someTime.prefault('30m'),
    /** The longest wait. */
    longestWait: someTime.prefault('30m'),
  })
  .refine(({ firstWait, longestWait }) => firstWait <= longestWait, 'firstWait must not be longer than longestWait')
  .transform(({ tries, firstWait, longestWait }) => ({ tries, firstWaitMs: firstWait, longestWaitMs: longestWait }))

const keySchema = z.union(
  [
    /** A file with mode 0600 that `sallyport init` makes. */
    z.strictObject({ file: path }),
    /** The name of an environment variable that holds the key in base64. */
    z.strictObject({ environment: z.string().min(1) }),
    /** A command and its arguments that print the key in base64. */
    z.strictObject({ command: z.array(z.string().min(1)).min(1) }),
  ],
  'the key comes from one of file, environment or command',
)

const webUrl = z.url({ protocol: /^https?$/, error: 'a URL is written as https://host/path' }).refine(text => {
  const url = URL.parse(text)
  return url === null || (url.username === '' && url.password === '')
}, 'a URL here has no user and no password; a receiver checks the signature instead')

const headsSchema = z
  .strictObject({
    /** A head at the latest after so many events. */
    everyEvents: count.default(1000),
    /** And after so much time, if there were any. */
    every: someTime.prefault('5m'),
    /** A file, best on another machine, that heads are appended to. */
    file: path.optional(),
    http: z
      .strictObject({
        /** Where each head is POSTed to, as JSON. */
        url: webUrl,
        /** A file that holds the secret of the signature in the header, `whsec_` and base64 (Standard Webhooks). */
        secretFile: path.optional(),
        /** The name of an environment variable that holds it. */
        secretEnvironment: z.string().min(1).optional(),
        /** The certificates that an https server is checked against; not given: those of the system. */
        caFile: path.optional(),
        timeout: someTime.prefault('10s'),
      })
      .refine(
        ({ secretFile, secretEnvironment }) => secretFile === undefined || secretEnvironment === undefined,
        'the secret comes from one of secretFile and secretEnvironment',
      )
      .optional(),
    timeStamp: z
      .strictObject({
        /** An RFC 3161 time-stamp authority. */
        url: webUrl,
        /** The certificates (PEM) that the authority's must lead to. */
        caFile: path,
        timeout: someTime.prefault('10s'),
      })
      .optional(),
    /** New sessions are refused while a head waits for longer than this; not given: nothing waits for heads. */
    refuseLoginsAfter: someTime.optional(),
  })
  .refine(({ file, http }) => file !== undefined || http !== undefined, 'heads go to a file, to http, or to both')
  .refine(
    ({ file, timeStamp }) => timeStamp === undefined || file !== undefined,
    'time stamps are kept in the file of heads: name one',
  )
  .transform(({ every, refuseLoginsAfter, ...rest }) => ({
    ...rest,
    everyMs: every,
    refuseLoginsAfterMs: refuseLoginsAfter,
  }))

export const configSchema = z.strictObject({
  /** Where the gateway keeps what it must not lose. */
  dataFolder: path.default('data'),
  /** The store: `sqlite:PATH` or `postgres://user:password@host/database`; not given: sallyport.db in the data folder. */
  database: z
    .string()
    .regex(
      /^(sqlite:.+|postgres(ql)?:\/\/.+)$/,
      'a database is written as sqlite:PATH or postgres://user@host/database',
    )
    .optional(),
  cluster: z
    .strictObject({
      /** Where several gateways meet: `redis://host:6379/0` or `rediss://…`; not given: this gateway is alone. */
      redis: z
        .string()
        .regex(/^rediss?:\/\/.+$/, 'a Redis is written as redis://host:6379/0 or rediss://host:6379/0')
        .optional(),
      /** The certificates that a `rediss://` server is checked against; not given: those of the system. */
      redisCaFile: path.optional(),
    })
    .prefault({}),
  /** The processes that serve sessions, so that they need not share one core; `auto`: one for each, up to 8. With 1 there is only the gateway's own. */
  workers: z
    .union([z.number().int().min(1).max(64), z.literal('auto')], 'a number of processes from 1 to 64, or auto')
    .default('auto'),
  /** Names and addresses by which people reach the gateway: for the certificate that it makes for itself. */
  certificateNames: z.array(z.string().regex(/^[A-Za-z0-9.:_-]{1,253}$/, 'a host name or an IP address')).default([]),
  vault: z
    .strictObject({
      /** Where the key encryption key comes from; not given: the file vault.key in the data folder. */
      key: keySchema.optional(),
    })
    .prefault({}),
  ssh: sshSchema.prefault({}),
  postgres: postgresSchema.prefault({}),
  api: apiSchema.prefault({}),
  sources: sourcesSchema.prefault({}),
  authentication: z
    .strictObject({
      /** Lists of factors, for roles that name none; one list must be proven in full. */
      factors: z
        .array(z.array(z.enum(FACTORS)).min(1))
        .min(1)
        .default([
          ['publickey', 'totp'],
          ['password', 'totp'],
        ]),
      /** When guessing at passwords and codes is stopped, and for how long. */
      lockout: lockoutSchema.prefault({}),
    })
    .prefault({}),
  recording: z
    .strictObject({
      /** Where recordings are written; not given: recordings in the data folder. */
      folder: path.optional(),
      /** How much output of one exec channel is kept; what is more is counted. */
      execOutputLimit: size.prefault('1MiB'),
    })
    .transform(({ folder, execOutputLimit }) => ({ folder, execOutputLimitBytes: execOutputLimit }))
    .prefault({}),
  audit: z
    .strictObject({
      /** A file that audit events are appended to, as JSON lines, besides the store. */
      file: path.optional(),
      /** Whether audit events are written to stdout too, as JSON lines. */
      stdout: z.boolean().default(false),
      /** Where signed heads of the audit log are sent, so that a cut-off end shows; not given: nowhere. */
      heads: headsSchema.optional(),
    })
    .prefault({}),
  doctor: z
    .strictObject({
      /** How often one of the gateways goes through all sessions and names what does not fit together. */
      every: someTime.prefault('1d'),
      /** How much of the recordings each round reads whole; the next round goes on from there. */
      readAtMost: size.prefault('10GiB'),
    })
    .transform(({ every, readAtMost }) => ({ everyMs: every, readAtMostBytes: readAtMost }))
    .prefault({}),
  log: z
    .strictObject({
      /** The least important lines that are written. */
      level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
    })
    .prefault({}),
  shutdown: z
    .strictObject({
      /** How long open sessions may go on after SIGTERM. */
      drain: time.prefault('30s'),
    })
    .transform(({ drain }) => ({ drainMs: drain }))
    .prefault({}),
})

export type Config = ReturnType<typeof resolveConfig>

/** Fills in what depends on the data folder, and makes every path absolute: relative ones start at `folder`. */
export function resolveConfig(parsed: z.output<typeof configSchema>, folder: string) {
  const absolute = (given: string) => resolve(folder, given)
  const dataFolder = absolute(parsed.dataFolder)
  const optional = (given: string | undefined) => (given === undefined ? undefined : absolute(given))
  const certificate = (given: z.output<typeof tls> | undefined) =>
    given && { keyFile: absolute(given.keyFile), certificateFile: absolute(given.certificateFile) }
  const heads = (given: z.output<typeof headsSchema> | undefined) =>
    given && {
      ...given,
      file: optional(given.file),
      http: given.http && {
        ...given.http,
        secretFile: optional(given.http.secretFile),
        caFile: optional(given.http.caFile),
      },
      timeStamp: given.timeStamp && { ...given.timeStamp, caFile: absolute(given.timeStamp.caFile) },
    }
  const { key = { file: join(dataFolder, 'vault.key') } } = parsed.vault
  const { database = `sqlite:${join(dataFolder, 'sallyport.db')}` } = parsed
  return {
    ...parsed,
    dataFolder,
    database:
      database.startsWith('sqlite:') && database !== 'sqlite::memory:'
        ? `sqlite:${absolute(database.slice('sqlite:'.length))}`
        : database,
    cluster: { ...parsed.cluster, redisCaFile: optional(parsed.cluster.redisCaFile) },
    vault: { key: 'file' in key ? { file: absolute(key.file) } : key },
    postgres: { ...parsed.postgres, tls: certificate(parsed.postgres.tls) },
    api: {
      ...parsed.api,
      socket: absolute(parsed.api.socket ?? join(dataFolder, 'sallyport.sock')),
      tls: certificate(parsed.api.tls),
    },
    recording: { ...parsed.recording, folder: absolute(parsed.recording.folder ?? join(dataFolder, 'recordings')) },
    audit: { ...parsed.audit, file: optional(parsed.audit.file), heads: heads(parsed.audit.heads) },
  }
}

/** The configuration that an empty file gives, with everything in `dataFolder`. */
export function defaultConfig(dataFolder: string): Config {
  return resolveConfig(configSchema.parse({ dataFolder }), process.cwd())
}
