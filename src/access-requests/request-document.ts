/** Requests as the API, `--json` and people's tables give them. Times are ISO 8601 in UTC. */

import { durationWords } from '../shared/durations.ts'
import { isoTime } from '../shared/text/iso-time.ts'
import type { AskedAccess, RequestedAccess } from './request.ts'
import type { Decision } from './request-rows.ts'
import type { Review } from './review/evaluate.ts'
import { plannedEnd } from './transition.ts'

export function requestDocument(request: RequestedAccess) {
  const { id, kind, user, role, offer, wish, extensionOf, askedAt, state, review } = request
  const begins = state.is === 'approved' || state.is === 'active' ? state : undefined
  const until = begins === undefined ? undefined : plannedEnd(begins)
  const ended = 'by' in state ? state : undefined
  // What it gives, or would: an approver may have given less than was asked for.
  const access = accessDocument(state.given ?? wish)
  return {
    ...{ id, kind, state: state.is, user, role, offer },
    ...access,
    asked: accessDocument(wish),
    reason: wish.reason ?? null,
    ticket: wish.ticket ?? null,
    template: wish.template ?? null,
    source: wish.source,
    clock: wish.clock,
    extensionOf: extensionOf ?? null,
    /** What the review rules said when it was asked. */
    review: review === undefined ? null : reviewDocument(review),
    askedAt: isoTime(askedAt),
    /** Until then it is decided, or once approved with a clock that begins with the first use, used. */
    waitsUntil: isoOrNull(waitsUntil(state)),
    /** Of one that waits: the later beginning that was asked for. */
    startsAt: isoOrNull(begins?.startsAt ?? ended?.startsAt) ?? access.startsAt,
    endsAt: isoOrNull(until ?? ended?.endsAt),
    endedAt: isoOrNull(ended?.at),
    endedBy: ended?.by ?? null,
    words: ended?.words ?? null,
  }
}
/** `outside`: what calendars and whoever knows of tickets said. */
export function reviewDocument({ outcome, rule, why, outside = [] }: Review) {
  return { outcome, rule: rule ?? null, why, outside: [...outside] }
}

export type RequestDocument = ReturnType<typeof requestDocument>

export function decisionDocument({ approver, stage, decision, reason, rule, factors, at }: Decision) {
  return {
    approver,
    step: stage + 1,
    decision,
    reason: reason ?? null,
    rule,
    freshFactor: factors !== '',
    at: isoTime(at),
  }
}

/** `root@web-01`, or what it is chosen by. */
export function wantedText({
  targets,
  chosenBy,
  accounts,
}: Pick<RequestDocument, 'targets' | 'chosenBy' | 'accounts'>): string {
  const which = [...(accounts.names ?? []), ...(accounts.levels ?? []).map(level => `level ${level}`)].join(', ')
  const { names, labels } = chosenBy ?? targets
  const where = [...names, ...Object.entries(labels).map(([key, value]) => `${key}=${value}`)].join(', ')
  if (chosenBy !== null) {
    const { length } = targets.names
    return `${which} on ${where} (${length === 1 ? 'the one target' : `the ${length} targets`} of then)`
  }
  return accounts.names?.length === 1 && targets.names?.length === 1 ? `${which}@${where}` : `${which} on ${where}`
}

function accessDocument({ targets, chosenBy, accounts, channels, databases, lengthMs, startsAt }: AskedAccess) {
  return {
    targets: targetsDocument(targets),
    /** What the targets were chosen by when it was asked, where that was not by name. */
    chosenBy: chosenBy === undefined ? null : targetsDocument(chosenBy),
    accounts: { names: [...(accounts.names ?? [])], levels: [...(accounts.levels ?? [])] },
    channels: [...channels],
    databases: databases === undefined ? null : [...databases],
    for: durationWords(lengthMs),
    startsAt: isoOrNull(startsAt),
  }
}

function targetsDocument({ names = [], labels = {} }: AskedAccess['targets']) {
  return { names: [...names], labels: { ...labels } }
}

function waitsUntil(state: RequestedAccess['state']): number | undefined {
  if (state.is === 'pending') return state.expiresAt
  return state.is === 'approved' && state.begins.with === 'first-use' ? state.begins.useBy : undefined
}

function isoOrNull(ms: number | undefined): string | null {
  return ms === undefined ? null : isoTime(ms)
}
