/** What sallyport.yaml says of notifications: by which channels who is told. Secrets are in files of their own, never here. */

import { z } from 'zod'
import { durationText } from '../shared/durations.ts'
import { NAME_PATTERN } from '../shared/names.ts'
import { path, someTime } from '../shared/setting-types.ts'

const LONGEST_TIMEOUT_MS = 60_000
const LONGEST_KEPT_MS = 366 * 86_400_000
const MOST_CHANNELS = 20

/** One address and nothing else: no name, no list, nothing that a header could be made of. */
export const MAIL_ADDRESS = /^[^\s\p{C}@<>()[\]\\,;:"]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/u
const mailAddress = z.string().regex(MAIL_ADDRESS, 'an address is written as name@example.com')

const url = z
  .url({ protocol: /^https?$/, error: 'a URL is written as https://host/path' })
  .refine(text => URL.parse(text)?.username === '' && URL.parse(text)?.password === '', 'a URL here has no user')

const common = {
  /** Which kinds of notification for administrators go here. */
  events: z
    .array(z.string().regex(/^(\*|[a-z]+\.(\*|[a-z-]+))$/, 'a kind is written as alert.evidence, alert.* or *'))
    .default(['*']),
  /** `brief`: what has happened and a link, without names of people, targets and accounts: for a service that others run. */
  content: z.enum(['full', 'brief']).default('full'),
  /** The certificates that the server is checked against; not given: those of the system. */
  caFile: path.optional(),
  /** Whether it may have an address of this machine, of its network segment, or one where a cloud gives out credentials. */
  allowLocal: z.boolean().default(false),
  /** For the whole of one delivery. */
  timeout: someTime.refine(ms => ms <= LONGEST_TIMEOUT_MS, 'at most 60s').prefault('15s'),
}

const email = z
  .strictObject({
    kind: z.literal('email'),
    host: z.string().regex(/^[A-Za-z0-9.:_-]{1,253}$/, 'a host name or an IP address'),
    /** Not given: 587, 465 where TLS is implicit, 25 without TLS. */
    port: z.number().int().min(1).max(65535).optional(),
    /** `starttls`: nothing is sent to a server that does not offer it. */
    tls: z.enum(['starttls', 'implicit', 'none']).default('starttls'),
    user: z.string().min(1).optional(),
    passwordFile: path.optional(),
    from: mailAddress,
    /** Who reads what is for administrators. */
    to: z.array(mailAddress).max(100).default([]),
    /** Whether users with an address are told what is for them. */
    people: z.boolean().default(true),
    ...common,
  })
  .refine(
    ({ user, passwordFile }) => (user === undefined) === (passwordFile === undefined),
    'user and passwordFile are given together',
  )
  .refine(({ user, tls }) => user === undefined || tls !== 'none', 'a password is only sent by TLS')

const webhook = z
  .strictObject({
    kind: z.literal('webhook'),
    url: url.optional(),
    /** A file with the URL, where that is a secret itself. */
    urlFile: path.optional(),
    /** A file with the secret of the signature, `whsec_` and base64 (Standard Webhooks). */
    secretFile: path,
    /** Whether it gets what is for people too: it names whom each is for. */
    people: z.boolean().default(false),
    ...common,
  })
  .refine(({ url, urlFile }) => (url === undefined) !== (urlFile === undefined), 'give one of url and urlFile')
  .refine(({ url, allowLocal }) => allowLocal || !url?.startsWith('http:'), 'use https, or say allowLocal: true')

/** The URL of a chat's incoming webhook lets anybody write there: it is in a file. */
const chat = { urlFile: path, ...common }

const channel = z.discriminatedUnion('kind', [
  email,
  webhook,
  z.strictObject({ kind: z.literal('slack'), ...chat }),
  z.strictObject({ kind: z.literal('teams'), ...chat }),
])

export const notificationsSchema = z
  .strictObject({
    channels: z
      .record(z.string().regex(NAME_PATTERN, 'a channel has a name like a target'), channel)
      .default({})
      .refine(given => Object.keys(given).length <= MOST_CHANNELS, `at most ${MOST_CHANNELS} channels`),
    /** How people reach the API, for links: `https://gateway.example:8443`; not given: `api.url`. */
    url: url.optional(),
    /** How long is kept what was told to whom. */
    keep: durationText.refine(ms => ms >= 86_400_000 && ms <= LONGEST_KEPT_MS, '1d to 366d').prefault('30d'),
  })
  .transform(({ keep, ...rest }) => ({ ...rest, keepMs: keep }))

export type NotificationSettings = z.output<typeof notificationsSchema>
export type ChannelSettings = z.output<typeof channel>
export type EmailSettings = z.output<typeof email>
export type WebhookSettings = z.output<typeof webhook>

/** Makes the paths of its files absolute. */
export function withAbsoluteFiles(given: ChannelSettings, absolute: (path: string) => string): ChannelSettings {
  const files = ['caFile', 'passwordFile', 'urlFile', 'secretFile'] as const
  const written = given as Partial<Record<(typeof files)[number], string>>
  const changed = files.flatMap(key => (written[key] === undefined ? [] : [[key, absolute(written[key])]]))
  return { ...given, ...Object.fromEntries(changed) }
}
