/** What sallyport.yaml says of facts that review rules ask others for: calendars of who is on call, and the state of tickets. Secrets are in files of their own. */

import { z } from 'zod'
import { isTimeZone } from '../shared/hours.ts'
import { nameSchema } from '../shared/name-schema.ts'
import { NAME_PATTERN } from '../shared/names.ts'
import { path, someTime } from '../shared/setting-types.ts'

const MOST_CALENDARS = 20
const MOST_NAMES = 1000
const SHORTEST_REFRESH_MS = 60_000
const LONGEST_KEPT_MS = 86_400_000
const LONGEST_TIMEOUT_MS = 30_000

const url = z
  .url({ protocol: /^https?$/, error: 'a URL is written as https://host/path' })
  .refine(text => URL.parse(text)?.username === '' && URL.parse(text)?.password === '', 'a URL here has no user')

const server = {
  /** The certificates that an https server is checked against; not given: those of the system. */
  caFile: path.optional(),
  /** Whether it may have an address of this machine, of its network segment, or one where a cloud gives out credentials. */
  allowLocal: z.boolean().default(false),
  /** For the whole of one answer. */
  timeout: someTime.refine(ms => ms <= LONGEST_TIMEOUT_MS, 'at most 30s').prefault('10s'),
}

const isSafe = ({ url, allowLocal }: { url?: string | undefined; allowLocal: boolean }) =>
  allowLocal || !url?.startsWith('http:')
const UNSAFE = 'use https, or say allowLocal: true'

const calendar = z
  .strictObject({
    url: url.optional(),
    /** A file with the URL, where that is a secret itself. */
    urlFile: path.optional(),
    /** An iCalendar file on this machine. */
    file: path.optional(),
    /** How often it is read. */
    refresh: someTime.refine(ms => ms >= SHORTEST_REFRESH_MS && ms <= LONGEST_KEPT_MS, '1m to 1d').prefault('5m'),
    /** How long the last good copy counts, where it cannot be read any more. */
    keep: someTime.refine(ms => ms <= LONGEST_KEPT_MS, 'at most 1d').prefault('1h'),
    /** By what an event says who is on call: its attendees, its organizer, or its summary. */
    person: z.enum(['attendee', 'organizer', 'summary']).default('attendee'),
    /** Whom an address or a summary means, `On Call - Alice*: alice`; addresses that are not here are those of the users' entries. */
    names: z
      .record(z.string().min(1).max(256), nameSchema)
      .default({})
      .refine(given => Object.keys(given).length <= MOST_NAMES, `at most ${MOST_NAMES} names`),
    /** Of days and times that name no zone; not given: what the calendar says, or UTC. */
    zone: z.string().refine(isTimeZone, 'a time zone is named as in Europe/Berlin or UTC').optional(),
    ...server,
  })
  .refine(
    given => [given.url, given.urlFile, given.file].filter(one => one !== undefined).length === 1,
    'give one of url, urlFile and file',
  )
  .refine(isSafe, UNSAFE)
  .refine(
    ({ person, names }) => person !== 'summary' || Object.keys(names).length > 0,
    'person: summary needs names: which summary means which user',
  )

export const calendarsSchema = z
  .record(z.string().regex(NAME_PATTERN, 'a calendar has a name like a target'), calendar)
  .default({})
  .refine(given => Object.keys(given).length <= MOST_CALENDARS, `at most ${MOST_CALENDARS} calendars`)

export const ticketCheckSchema = z
  .strictObject({
    /** Where the state of a ticket is asked for, by POST. */
    url,
    /** A file with the secret of the signature, `whsec_` and base64 (Standard Webhooks). */
    secretFile: path,
    ...server,
    timeout: server.timeout.prefault('5s'),
    /** Whether an answer counts only with the `id` and the `ticket` of the question; else it may leave them out, as receivers of before do. */
    echo: z.boolean().default(true),
  })
  .refine(isSafe, UNSAFE)

export type CalendarSettings = z.output<typeof calendar>
export type TicketCheckSettings = z.output<typeof ticketCheckSchema>
