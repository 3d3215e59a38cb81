/** What somebody asks for, as it is typed: by ssh and on the command line alike. Words in, a wish out. */

import { durationText } from '../shared/durations.ts'
import { GatewayError } from '../shared/errors.ts'
import { parseAccountAddress } from '../shared/names.ts'
import { LEVELS } from '../shared/vocabulary.ts'
import type { TypedAsk } from './choose-offer.ts'
import type { WhichTargets } from './which-targets.ts'
import { askWishSchema } from './wish-schema.ts'

/** The options of `request`, by their names. */
export interface TypedWish {
  readonly template?: string | undefined
  readonly target?: string | undefined
  readonly labels?: readonly string[] | undefined
  readonly targets?: readonly string[] | undefined
  readonly level?: string | undefined
  readonly account?: string | undefined
  readonly role?: string | undefined
  readonly for?: string | undefined
  readonly at?: string | undefined
  readonly channel?: readonly string[] | undefined
  readonly database?: readonly string[] | undefined
  readonly reason?: string | undefined
  readonly ticket?: string | undefined
  readonly permanent?: boolean | undefined
}

export interface Reading {
  readonly now: number
  /** Milliseconds since the epoch of a time of the day; not given: without a zone it is UTC. */
  readonly timeOf?: (text: string) => number
}

/** Throws `BAD_REQUEST`. `address`: `root@web-01`. */
export function readWish(address: string | undefined, typed: TypedWish, reading: Reading): TypedAsk {
  const { template, target, labels, targets, level, account, role, at, channel, database, reason, ticket, permanent } =
    typed
  const said = [address, target, labels ?? targets].filter(one => one !== undefined)
  if (said.length > 1 || (said.length === 0 && template === undefined))
    throw bad('Say what you ask for: root@web-01, or --target web-01, or --labels and --targets, or --template NAME.')
  if (address !== undefined && account !== undefined)
    throw bad(`--account goes with --target or --labels: ${address} says an account.`)
  const named = address === undefined ? undefined : readAddress(address)
  const known = LEVELS.find(one => one === level)
  if (level !== undefined && known === undefined) throw bad(`--level is one of ${LEVELS.join(', ')}.`)
  return checked({
    template,
    on: said.length === 0 ? undefined : named === undefined ? onOf(typed) : { target: named.target },
    ...{ account: named?.account ?? account, level: known, role },
    ...{ channels: channel, databases: database, forMs: readLength(typed.for) },
    startsAt: at === undefined ? undefined : readStart(at, reading),
    ...{ reason, ticket, permanent },
  })
}

function checked(wish: TypedAsk): TypedAsk {
  const { error } = askWishSchema.safeParse(wish)
  const [issue] = error?.issues ?? []
  if (issue === undefined) return wish
  if (issue.path[0] === 'on')
    throw bad('A target is named as in web-01; --targets takes web-* as well, --labels env=production.')
  throw bad(`${issue.path.join('.')}: ${issue.message}.`)
}

/** Milliseconds of `2h`. Throws `BAD_REQUEST`. */
export function readLength(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const parsed = durationText.safeParse(text)
  if (parsed.success) return parsed.data
  throw bad('--for is a number and s, m, h or d, for example 2h.')
}

/** When it begins: a time of the day, or `30m` from now. Throws `BAD_REQUEST`. */
export function readStart(text: string, { now, timeOf = utcTime }: Reading): number {
  const ahead = durationText.safeParse(text)
  return ahead.success ? now + ahead.data : timeOf(text)
}

const TIME = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(Z|[+-]\d\d:\d\d)?)?$/

function utcTime(text: string): number {
  const [, day, time = '00:00', zone = 'Z'] = TIME.exec(text) ?? []
  // A Date takes a 30th of February for a day in March.
  const shown = day === undefined ? Number.NaN : Date.parse(`${day}T${time}Z`)
  const ms = Date.parse(`${day}T${time}${zone}`)
  if (Number.isNaN(ms) || new Date(shown).toISOString().slice(0, 10) !== day)
    throw bad('--at is a time as in 2026-11-21T18:00 (UTC) or 2026-11-21T18:00+01:00, or 30m for in thirty minutes.')
  return ms
}

function onOf({ target, labels, targets }: TypedWish): WhichTargets {
  if (target !== undefined) return { target }
  const names = targets === undefined ? {} : { names: [...targets] }
  return {
    selector: { ...names, ...(labels === undefined ? {} : { labels: Object.fromEntries(labels.map(readLabel)) }) },
  }
}

function readAddress(text: string) {
  const address = parseAccountAddress(text)
  if (address === undefined) throw bad('An account is named as in root@web-01.')
  return address
}

function readLabel(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw bad('A label is written as in env=production.')
  return [text.slice(0, at), text.slice(at + 1)]
}

function bad(message: string): GatewayError {
  return new GatewayError('BAD_REQUEST', message)
}
