/** The one schema of the configuration: what may stand in sallyport.yaml, its defaults, and its types. */

import { join, resolve } from 'node:path'
import { z } from 'zod'
import { protocols, type RegisteredProtocol } from '../protocols/registered.ts'
import { durationText } from '../shared/durations.ts'
import { factorSchema } from '../shared/factor-schema.ts'
import { nameSchema } from '../shared/name-schema.ts'
import {
  count,
  network,
  type PortSettings,
  path,
  port,
  proxyProtocol,
  size,
  someTime,
  type TlsFiles,
  time,
  tlsFiles,
} from '../shared/setting-types.ts'
import { fourEyesSchema } from './four-eyes.ts'
import { notificationsSchema, withAbsoluteFiles } from './notifications.ts'
import { calendarsSchema, ticketCheckSchema } from './outside-facts.ts'

const LONGEST_PAUSE_MS = 3_600_000
const LONGEST_TOKEN_MS = 366 * 86_400_000

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
  proxyProtocol,
  /** How people reach it, `https://gateway.example:8443`: what `sallyport login` is told; not given: the name by which they reach SSH. */
  url: z
    .url({ protocol: /^https$/, error: 'a URL is written as https://host:port' })
    .refine(text => URL.parse(text)?.pathname === '/' && !/[?#@]/.test(text), 'a URL here has a host and a port alone')
    .optional(),
  /** Tokens that people make for themselves, by ssh. */
  personalTokens: personalTokensSchema.prefault({}),
  /** The API's certificate; not given: one is made at the first start. */
  tls: tlsFiles.optional(),
})

const sourcesSchema = z
  .strictObject({
    /** How long a source is known after a login: slots are kept for known sources, and they are never held off. */
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

const WITHOUT_NUL = /^[^\0]*$/
/** The engine waits for a minute. */
const LONGEST_PROGRAM_MS = 55_000

const accountPatterns = z.array(
  z
    .string()
    .regex(
      /^(?:[^*]*\*?[^*]*|[^*@]*\*?[^*@]*@[^*@]*\*?[^*@]*)$/,
      'an account is written as app@orders, with one * at most in its name and one in that of its target',
    ),
)

const programSchema = z.strictObject({
  /** The file that is run. It belongs to root or to the gateway's user, and nobody else can write to it. */
  path,
  arguments: z.array(z.string().regex(WITHOUT_NUL, 'an argument has no NUL')).default([]),
  /** What it finds in its environment, beside PATH and LANG. */
  environment: z
    .record(
      z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a variable has letters, digits and "_"'),
      z.string().regex(WITHOUT_NUL, 'a value has no NUL'),
    )
    .default({}),
  /** After that it is killed, with what it started. */
  timeout: someTime.refine(ms => ms <= LONGEST_PROGRAM_MS, 'at most 55s').prefault('30s'),
  /** What it changes, where a rotation-policy names it as the connector. */
  kinds: z
    .array(z.enum(['password', 'private-key']))
    .min(1)
    .default(['password']),
  /** Who tries whether a credential works: the gateway by a login of its own, or the program. */
  verify: z.enum(['login', 'program']).default('login'),
  /** Accounts whose entries may name it as a dependent, which is told of each new credential: `app@orders`, `*@db-1`. */
  dependentsOf: accountPatterns.default([]),
  /** Accounts whose credentials it may be given as a connector, those of `reconcile` among them; not given: all, as before there was this. */
  connectorOf: accountPatterns.optional(),
  /** Whether it is asked again once the new credential is in force, to take away the one before. */
  finish: z.boolean().default(false),
})
export type ProgramSettings = z.output<typeof programSchema>

const LONGEST_WAIT_MS = 86_400_000

/** The sections of the protocols. */
type Sections = { [P in RegisteredProtocol as P['name']]: z.ZodPrefault<P['settings']> }

const fixed = {
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
  /** The processes that serve sessions, so that they need not share one core; `auto`: one for each, up to 8. The gateway's own, with the vault's key, is beside them. */
  workers: z
    .union([z.number().int().min(1).max(64), z.literal('auto')], 'a number of processes from 1 to 64, or auto')
    .default('auto'),
  /** As whom the workers run, where the gateway is started as root; not given: as the gateway's own user. */
  workersUser: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_-]{0,31}$/, 'the name of a user of this machine')
    .optional(),
  /** Names and addresses by which people reach the gateway: for the certificate that it makes for itself. */
  certificateNames: z.array(z.string().regex(/^[A-Za-z0-9.:_-]{1,253}$/, 'a host name or an IP address')).default([]),
  vault: z
    .strictObject({
      /** Where the key encryption key comes from; not given: the file vault.key in the data folder. */
      key: keySchema.optional(),
      /** Which versions of credentials stay where no rotation-policy says it: so many, and each so long after it was replaced. */
      versions: z
        .strictObject({
          keep: z.number().int().min(1).max(10_000).default(100),
          for: durationText.prefault('365d'),
        })
        .transform(({ keep, for: forMs }) => ({ keep, forMs }))
        .prefault({}),
      /** Looking for the version that logs in (`credential restore --probe`): so many may be refused, with a pause after each. */
      probe: z
        .strictObject({
          tries: z.number().int().min(1).max(100).default(10),
          pause: durationText.refine(ms => ms <= LONGEST_PAUSE_MS, 'at most 1h').prefault('10s'),
        })
        .transform(({ tries, pause }) => ({ tries, pauseMs: pause }))
        .prefault({}),
    })
    .prefault({}),
  api: apiSchema.prefault({}),
  sources: sourcesSchema.prefault({}),
  authentication: z
    .strictObject({
      /** Lists of factors, for roles that name none; one list must be proven in full. */
      factors: z
        .array(z.array(factorSchema).min(1))
        .min(1)
        .default([
          ['publickey', 'totp'],
          ['password', 'totp'],
        ]),
      /** When guessing at passwords and codes is stopped, and for how long. */
      lockout: lockoutSchema.prefault({}),
    })
    .prefault({}),
  /** Logins that wait until somebody has decided on the access that they ask for. */
  waiting: z
    .strictObject({
      /** No login waits for longer. */
      longest: time.refine(ms => ms <= LONGEST_WAIT_MS, 'at most 1d').prefault('1h'),
      /** How many may wait at a time, of one user and in all. */
      perUser: z.number().int().min(1).max(1000).default(5),
      inAll: z.number().int().min(1).max(5000).default(1000),
    })
    .transform(({ longest, ...most }) => ({ longestMs: longest, ...most }))
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
  rotation: z
    .strictObject({
      /** Programs that change credentials, or that are told of new ones, by the name that policies and accounts call them. */
      programs: z.record(nameSchema, programSchema).default({}),
      /** How long rotations and batches that are over, and jobs that were given up, are remembered beside the audit log. */
      keepRecords: durationText.prefault('365d'),
    })
    .prefault({}),
  /** Changes of the rules that need a second person; not given: none. */
  fourEyes: fourEyesSchema.optional(),
  notifications: notificationsSchema.prefault({}),
  /** Who is on call, for review rules that ask for it, by the name that they call it. */
  calendars: calendarsSchema,
  /** Who knows the state of tickets, for review rules that ask for it; not given: nobody. */
  ticketCheck: ticketCheckSchema.optional(),
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
}

/** Of every registered protocol. */
export function configSchema() {
  const sections = Object.fromEntries(protocols().map(({ name, settings }) => [name, settings.prefault({})]))
  return z.strictObject({ ...fixed, ...(sections as unknown as Sections) })
}

type Parsed = z.output<ReturnType<typeof configSchema>>
export type Config = ReturnType<typeof resolveConfig>

/** Fills in what depends on the data folder, and makes every path absolute: relative ones start at `folder`. */
export function resolveConfig(parsed: Parsed, folder: string) {
  const absolute = (given: string) => resolve(folder, given)
  const dataFolder = absolute(parsed.dataFolder)
  const optional = (given: string | undefined) => (given === undefined ? undefined : absolute(given))
  const certificate = (given: TlsFiles | undefined) =>
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
    vault: { ...parsed.vault, key: 'file' in key ? { file: absolute(key.file) } : key },
    ...sectionsOf(parsed, certificate),
    api: {
      ...parsed.api,
      socket: absolute(parsed.api.socket ?? join(dataFolder, 'sallyport.sock')),
      tls: certificate(parsed.api.tls),
    },
    rotation: {
      ...parsed.rotation,
      programs: mapValues(parsed.rotation.programs, given => ({ ...given, path: absolute(given.path) })),
    },
    notifications: {
      ...parsed.notifications,
      channels: mapValues(parsed.notifications.channels, given => withAbsoluteFiles(given, absolute)),
    },
    calendars: mapValues(parsed.calendars, given => ({
      ...given,
      file: optional(given.file),
      urlFile: optional(given.urlFile),
      caFile: optional(given.caFile),
    })),
    ticketCheck: parsed.ticketCheck && {
      ...parsed.ticketCheck,
      secretFile: absolute(parsed.ticketCheck.secretFile),
      caFile: optional(parsed.ticketCheck.caFile),
    },
    recording: { ...parsed.recording, folder: absolute(parsed.recording.folder ?? join(dataFolder, 'recordings')) },
    audit: { ...parsed.audit, file: optional(parsed.audit.file), heads: heads(parsed.audit.heads) },
  }
}

function mapValues<V, W>(record: Record<string, V>, map: (value: V) => W): Record<string, W> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]))
}

/** The protocols' sections, with absolute paths. */
function sectionsOf(parsed: Parsed, certificate: (given: TlsFiles | undefined) => TlsFiles | undefined) {
  return Object.fromEntries(
    protocols().map(({ name }) => {
      const settings = settingsOf(parsed, name)
      return [name, settings.tls === undefined ? settings : { ...settings, tls: certificate(settings.tls) }]
    }),
  ) as Pick<Parsed, RegisteredProtocol['name']>
}

/** The configuration that an empty file gives, with everything in `dataFolder`. */
export function defaultConfig(dataFolder: string): Config {
  return resolveConfig(configSchema().parse({ dataFolder }), process.cwd())
}

/** What a protocol is set to. */
export function settingsOf(config: object, protocol: string): PortSettings {
  return (config as Record<string, PortSettings>)[protocol]!
}
