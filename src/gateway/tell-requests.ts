/** Who is told of access requests: the requester of every step, in its transaction; those who may decide, and nobody else, by a job that finds them. */

import { peopleMeant } from '../access-requests/approvers.ts'
import type { Transition } from '../access-requests/change.ts'
import type { RequestHappening } from '../access-requests/events.ts'
import type { RequestedAccess } from '../access-requests/request.ts'
import { requestDocument, wantedText } from '../access-requests/request-document.ts'
import type { Requests } from '../access-requests/requests.ts'
import type { User } from '../identity/user.ts'
import type { NotificationKind } from '../notifications/kinds.ts'
import type { Notify } from '../notifications/notifications.ts'
import { preferencesOf } from '../notifications/preferences.ts'
import { addressees } from '../notifications/recipients.ts'
import { whoWasTold } from '../notifications/rows.ts'
import { stagesOf } from '../policy/on-request.ts'
import type { JobHandler } from '../schedule/job.ts'
import type { GatewayParts } from './parts.ts'

const TELL_APPROVERS = 'tell-approvers'
const TELL_DECIDED = 'tell-decided'
const MOST_NAMED = 10

/** What the requester reads, by what has happened. */
const STEPS: Partial<Record<RequestHappening, readonly [kind: NotificationKind, words: string]>> = {
  'approved-by-one': ['request.approved', 'was approved by one of those who must'],
  approved: ['request.approved', 'was approved'],
  escalated: ['request.escalated', 'was not decided in time, and has gone to others as well'],
  denied: ['request.denied', 'was denied'],
  expired: ['request.expired', 'was not decided, or not used, in time'],
  began: ['request.started', 'is open now'],
  extended: ['request.approved', 'lasts longer now'],
  ended: ['request.ended', 'has ended'],
  revoked: ['request.revoked', 'was taken away'],
}

type ApproversParts = Pick<GatewayParts, 'requests' | 'notify' | 'users' | 'database' | 'channels'>
type Parts = Pick<GatewayParts, 'requests' | 'notify' | 'schedule' | 'storeClock' | 'users' | 'channels'>

/** Until what is on `started` is closed. Where no channel is configured, nobody is told. */
export function tellOfRequests(
  { requests, notify, schedule, storeClock, channels }: Omit<Parts, 'users'>,
  started: AsyncDisposableStack,
): void {
  if (channels.length === 0) return
  const forget = requests.onTransition(async (transition, on) => {
    const { what, request } = transition
    const step = stepOf(transition)
    if (step !== undefined) await notify(step, on)
    const over = overWords(transition)
    if (over !== undefined) {
      const payload = { over, by: transition.by }
      await schedule.plan({ kind: TELL_DECIDED, key: request.id, dueAt: storeClock.now(), payload, replace: true }, on)
    }
    if (request.state.is !== 'pending') return
    if (what === 'asked' || what === 'escalated' || what === 'approved-by-one') {
      const payload = { escalated: what === 'escalated' }
      await schedule.plan(
        { kind: TELL_APPROVERS, key: request.id, dueAt: storeClock.now(), payload, replace: true },
        on,
      )
    }
  })
  started.defer(async () => forget())
}

export function approversHandler(parts: ApproversParts): Record<string, JobHandler> {
  const { requests, notify, users, database, channels } = parts

  /** Whether anybody would get it: whoever is the only one to decide may have chosen not to be told. */
  async function reachedBy(wish: Parameters<Notify>[0], people: readonly string[]): Promise<boolean> {
    const mail = new Map((await users.getAll(people)).map(({ name, email }) => [name, email]))
    const needsAddress = new Set(channels.flatMap(one => (one.needsAddress ? one.name : [])))
    return addressees(wish, channels, await preferencesOf(database, people)).some(
      ({ channel, user }) => !needsAddress.has(channel) || mail.get(user ?? '') !== undefined,
    )
  }

  return {
    [TELL_APPROVERS]: {
      limit: 2,
      async run({ key, payload }) {
        const request = await requests.rows.get(key)
        if (request?.state.is !== 'pending' || request.withdrawn !== undefined) return undefined
        const to = await decidersOf(request, requests, users)
        const escalated = (payload as { escalated?: unknown }).escalated === true
        const { accounts, count } = await requests.opens(request)
        const wish = { ...wishOf(request, escalated, accounts, count), to: to.map(user => ({ user })) }
        if (to.length > 0) await notify(wish)
        if (!(await reachedBy(wish, to))) await notify(nobodyTold(request, to.length > 0))
        return undefined
      },
    },
    [TELL_DECIDED]: {
      limit: 2,
      async run({ key, payload }) {
        const request = await requests.rows.get(key)
        if (request === undefined) return undefined
        const { over, by } = payload as { over: string; by: string }
        const { path } = linkTo(request)
        const kinds = ['request.asked', 'request.escalated'] as const
        const told = await whoWasTold(database, { kinds, path, since: request.askedAt })
        const to = told.filter(user => user !== by && user !== request.user).map(user => ({ user }))
        if (to.length > 0) await notify({ ...decidedOf(request, over, by), to })
        return undefined
      },
    },
  }
}

/** For the one who asked: nothing comes of it by itself. */
function nobodyTold(request: RequestedAccess, anybody: boolean) {
  return {
    kind: 'request.nobody-told',
    subject: `Nobody is told of your request for ${wantedText(requestDocument(request))}`,
    lines: [
      anybody
        ? 'Those who may decide on it are reached by no notification, or want none: ask one of them yourself.'
        : 'There is nobody who may decide on it now. Your administrators know who should.',
    ],
    link: linkTo(request),
    to: [{ user: request.user }],
  } as const
}

/** How it ended for those who were asked; undefined: it did not just now. */
function overWords({ what, request: { state } }: Transition): string | undefined {
  switch (what) {
    case 'approved':
      return 'was approved'
    case 'denied':
      return 'was denied'
    case 'cancelled':
      return state.given === undefined ? 'was withdrawn' : undefined
    case 'expired':
      return state.given === undefined ? 'was not decided in time' : undefined
    case 'revoked':
      return state.given === undefined ? 'is not asked any more' : undefined
    default:
      return undefined
  }
}

function decidedOf(request: RequestedAccess, over: string, by: string) {
  const document = requestDocument(request)
  return {
    kind: 'request.decided',
    subject: `The request of ${document.user} for ${wantedText(document)} ${over}`,
    lines: by === 'gateway' || by === request.user ? [] : [`By: ${by}`],
    link: linkTo(request),
  } as const
}

/** Also those whose working hours are over: they read it when they begin again. */
async function decidersOf(
  request: RequestedAccess,
  { offerFor, decidersAmong }: Pick<Requests, 'offerFor' | 'decidersAmong'>,
  users: Pick<GatewayParts['users'], 'get' | 'holding'>,
): Promise<string[]> {
  const [found, requester] = await Promise.all([offerFor(request), users.get(request.user)])
  const stage = found && request.state.is === 'pending' ? stagesOf(found.offer)[request.state.stage] : undefined
  if (stage === undefined || requester === undefined) return []
  const named = [...stage.groups.flatMap(({ of }) => of), ...(stage.escalateTo ?? [])]
  const deciders: string[] = []
  for await (const some of peopleMeant(users, named, requester)) {
    const atWork = some.map((user): User => ({ ...user, workingHours: undefined }))
    deciders.push(...(await decidersAmong(request, atWork)).map(({ name }) => name))
  }
  return deciders
}

export function linkTo({ id }: RequestedAccess) {
  return { path: `/v1/requests/${id}`, command: `sallyport request show ${id}` }
}

function wishOf(request: RequestedAccess, escalated: boolean, accounts: readonly string[], count: number) {
  const document = requestDocument(request)
  const { user, reason, ticket, startsAt, waitsUntil, role } = document
  const opens = accounts.slice(0, MOST_NAMED).join(', ')
  const more = count > MOST_NAMED ? ` and ${count - MOST_NAMED} more` : ''
  const what = request.kind === 'permanent' ? 'for good' : `for ${document.for}`
  return {
    kind: escalated ? 'request.escalated' : 'request.asked',
    subject: `${user} asks for ${wantedText(document)} ${what}`,
    lines: [
      ...(opens === '' ? [] : [`It opens: ${opens}${more}`]),
      ...(reason === null ? [] : [`Reason: ${reason}`]),
      ...(ticket === null ? [] : [`Ticket: ${ticket}`]),
      ...(startsAt === null ? [] : [`From: ${startsAt}`]),
      `By the role: ${role}`,
      ...(waitsUntil === null ? [] : [`To be decided until: ${waitsUntil}`]),
      'Deciding needs your own login.',
    ],
    link: linkTo(request),
  } as const
}

function stepOf({ what, request, by }: Transition): Parameters<Notify>[0] | undefined {
  const step = STEPS[what]
  if (step === undefined) return undefined
  const document = requestDocument(request)
  const { words, endsAt } = document
  return {
    kind: step[0],
    subject: `Your request for ${wantedText(document)} ${step[1]}`,
    lines: [
      ...(by === 'gateway' || by === request.user ? [] : [`By: ${by}`]),
      ...(words === null ? [] : [`Why: ${words}`]),
      ...(endsAt === null ? [] : [`Until: ${endsAt}`]),
    ],
    link: linkTo(request),
    to: [{ user: request.user }],
  }
}
