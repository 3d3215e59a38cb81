/** What may happen to a request in each of its states, and what becomes of it. */

import type { AskedAccess, RequestedAccess, RequestState } from './request.ts'

export type RequestAct =
  /** Somebody approved, and more approvals are needed: what is left of the wish, and which step it waits for. */
  | { readonly act: 'go-on'; readonly stage: number; readonly at: number; readonly given: AskedAccess }
  /** For `useBy`: with the first use, until then. */
  | { readonly act: 'approve'; readonly at: number; readonly given: AskedAccess; readonly useBy: number | undefined }
  | { readonly act: 'begin'; readonly at: number }
  | { readonly act: 'extend'; readonly endsAt: number }
  | {
      readonly act: 'deny' | 'expire' | 'cancel' | 'end' | 'revoke'
      readonly at: number
      readonly by: string
      readonly words?: string | undefined
    }

/** Undefined where that cannot happen to it, now or any more. */
export function after(request: RequestedAccess, act: RequestAct): RequestedAccess | undefined {
  const state = next(request.state, act)
  return state === undefined ? undefined : { ...request, state, revision: request.revision + 1 }
}

function next(state: RequestState, act: RequestAct): RequestState | undefined {
  switch (state.is) {
    case 'pending':
      return afterPending(state, act)
    case 'approved':
      return afterApproved(state, act)
    case 'active':
      return afterActive(state, act)
    case 'denied':
    case 'expired':
    case 'cancelled':
    case 'ended':
    case 'revoked':
      return undefined
  }
}

function afterPending(state: Extract<RequestState, { is: 'pending' }>, act: RequestAct): RequestState | undefined {
  switch (act.act) {
    case 'go-on': {
      if (act.at >= state.expiresAt) return undefined
      const stageSince = act.stage === state.stage ? state.stageSince : act.at
      return { ...state, given: act.given, stage: act.stage, stageSince }
    }
    case 'approve': {
      if (act.at >= state.expiresAt) return undefined
      const { given, useBy } = act
      const startsAt = Math.max(given.startsAt ?? act.at, act.at)
      const begins =
        useBy === undefined
          ? ({ with: 'time', endsAt: startsAt + given.lengthMs } as const)
          : ({ with: 'first-use', useBy } as const)
      return { is: 'approved', given, startsAt, begins }
    }
    case 'deny':
      return closed('denied', undefined, act)
    case 'expire':
      return act.at >= state.expiresAt ? closed('expired', undefined, act) : undefined
    case 'cancel':
      return closed('cancelled', undefined, act)
    case 'revoke':
      return closed('revoked', undefined, act)
    case 'begin':
    case 'extend':
    case 'end':
      return undefined
  }
}

function afterApproved(state: Extract<RequestState, { is: 'approved' }>, act: RequestAct): RequestState | undefined {
  const { given, startsAt, begins } = state
  const byTime = begins.with === 'time'
  switch (act.act) {
    case 'begin': {
      if (act.at < startsAt || act.at >= (byTime ? begins.endsAt : begins.useBy)) return undefined
      return byTime
        ? { is: 'active', given, startsAt, endsAt: begins.endsAt }
        : { is: 'active', given, startsAt: act.at, endsAt: act.at + given.lengthMs }
    }
    case 'extend':
      return byTime && act.endsAt > begins.endsAt ? { ...state, begins: { ...begins, endsAt: act.endsAt } } : undefined
    case 'expire':
      // Approved, and not used.
      return !byTime && act.at >= begins.useBy ? closed('expired', state, act) : undefined
    case 'cancel':
      return closed('cancelled', state, act)
    case 'end':
      return closed('ended', state, act)
    case 'revoke':
      return closed('revoked', state, act)
    case 'go-on':
    case 'approve':
    case 'deny':
      return undefined
  }
}

function afterActive(state: Extract<RequestState, { is: 'active' }>, act: RequestAct): RequestState | undefined {
  switch (act.act) {
    case 'extend':
      return act.endsAt > state.endsAt ? { ...state, endsAt: act.endsAt } : undefined
    case 'cancel':
    case 'end':
      return closed('ended', state, act)
    case 'revoke':
      return closed('revoked', state, act)
    case 'go-on':
    case 'approve':
    case 'begin':
    case 'deny':
    case 'expire':
      return undefined
  }
}

type ClosedName = Extract<RequestState, { by: string }>['is']

function closed(
  is: ClosedName,
  from: Extract<RequestState, { is: 'approved' | 'active' }> | undefined,
  { at, by, words }: { at: number; by: string; words?: string | undefined },
): RequestState {
  return { is, given: from?.given, startsAt: from?.startsAt, endsAt: from && plannedEnd(from), at, by, words }
}

/** Undefined where that depends on the first use. */
export function plannedEnd(state: Extract<RequestState, { is: 'approved' | 'active' }>): number | undefined {
  if (state.is === 'active') return state.endsAt
  return state.begins.with === 'time' ? state.begins.endsAt : undefined
}

/** The same of a request; undefined as well where nothing of it is approved, or it is over. */
export function plannedEndOf({ state }: RequestedAccess): number | undefined {
  return state.is === 'approved' || state.is === 'active' ? plannedEnd(state) : undefined
}

/** When something is due that happens by itself; undefined: nothing any more. */
export function dueAt({ state }: RequestedAccess): number | undefined {
  switch (state.is) {
    case 'pending':
      return state.expiresAt
    case 'approved':
      return state.begins.with === 'time' ? state.startsAt : state.begins.useBy
    case 'active':
      return state.endsAt
    case 'denied':
    case 'expired':
    case 'cancelled':
    case 'ended':
    case 'revoked':
      return undefined
  }
}

/** What happens to it by itself at that time; undefined: nothing. */
export function actDue(request: RequestedAccess, now: number): RequestAct | undefined {
  const { state } = request
  const due = dueAt(request)
  if (due === undefined || now < due) return undefined
  const by = 'gateway'
  switch (state.is) {
    case 'pending':
      return { act: 'expire', at: now, by, words: 'nobody decided in time' }
    case 'approved':
      if (state.begins.with === 'first-use') return { act: 'expire', at: now, by, words: 'it was not used in time' }
      return now < state.begins.endsAt
        ? { act: 'begin', at: now }
        : { act: 'end', at: now, by, words: 'its time is over' }
    case 'active':
      return { act: 'end', at: now, by, words: 'its time is over' }
    default:
      return undefined
  }
}
