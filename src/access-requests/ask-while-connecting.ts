/** Access that somebody asks for while they connect, and waits for: what has become of the request is heard from whichever gateway decides. */

import { matchesAccount } from '../policy/match.ts'
import type { Offered } from '../policy/offers.ts'
import type { AskedAccess, AskedOutcome, AskForAccess, AskingPerson, LeftRequest } from '../session/asked-access.ts'
import { onceAborted } from '../session/session-end.ts'
import { createKeyedMutex } from '../shared/concurrency/keyed-mutex.ts'
import type { Log } from '../shared/log.ts'
import { describeStage } from './approvals.ts'
import type { RequestedAccess } from './request.ts'
import type { Requests } from './requests.ts'
import { oneTargetOf } from './which-targets.ts'

/** What the cluster does not tell is seen this late. */
const LOOK_EVERY_MS = 5000
const MOST_OPEN = 200

/** A login withdraws what it waited for in vain; what a gateway that died left is over a moment later. */
const BEYOND_LONGEST_MS = 60_000

interface Parts {
  readonly requests: Pick<Requests, 'ask' | 'cancel' | 'offerFor' | 'onChange' | 'rows' | 'clock'>
  /** No login waits for longer. */
  readonly longestMs: number
  readonly log: Log
}

export function createAskForAccess({ requests, longestMs, log }: Parts): AskForAccess {
  /** Those that were asked for while connecting, by how many logins wait for them. */
  const waiting = new Map<string, number>()
  /** What connections of one user ask for and withdraw at one instant is done one after the other: then it is one request. */
  const inTurn = createKeyedMutex()

  async function outcomeOf(id: string): Promise<AskedOutcome | undefined> {
    const request = await requests.rows.get(id)
    if (request === undefined) return { is: 'over', words: 'is gone' }
    const { state } = request
    switch (state.is) {
      case 'pending':
        return undefined
      case 'active':
        return { is: 'approved' }
      case 'approved':
        // For a later time: it waits for that.
        return state.begins.with === 'time' && state.startsAt > requests.clock.now() ? undefined : { is: 'approved' }
      default:
        return { is: 'over', words: wordsOf(request) }
    }
  }

  function decided(id: string, signal: AbortSignal): Promise<AskedOutcome> {
    return new Promise((resolve, reject) => {
      const look = () =>
        outcomeOf(id).then(
          outcome => outcome !== undefined && finish(() => resolve(outcome)),
          error => log.warn({ err: error, request: id }, 'a request that a login waits for cannot be read now'),
        )
      const forget = requests.onChange(changed => {
        if (changed === id) void look()
      })
      const timer = setInterval(look, LOOK_EVERY_MS)
      const finish = (settle: () => void) => {
        forget()
        clearInterval(timer)
        settle()
      }
      onceAborted(signal, () => finish(() => reject(signal.reason)))
      void look()
    })
  }

  async function leave(id: string, { user, session }: AskingPerson, keeps: boolean): Promise<LeftRequest> {
    const count = waiting.get(id)
    if (count === undefined || keeps) {
      // Whoever keeps it does so for all who wait for it.
      waiting.delete(id)
    } else if (count > 1) {
      waiting.set(id, count - 1)
    } else {
      waiting.delete(id)
      const request = await requests.rows.get(id)
      if (request?.state.is !== 'pending') return 'decided'
      await requests.cancel({ user, session }, id)
      return 'withdrawn'
    }
    return 'stands'
  }

  async function waitFor(request: RequestedAccess, person: AskingPerson, known: boolean): Promise<AskedAccess> {
    const { id, state } = request
    const mine = !known || waiting.has(id)
    if (mine) waiting.set(id, (waiting.get(id) ?? 0) + 1)
    const found = state.is === 'pending' ? await requests.offerFor(request) : undefined
    return {
      ...{ id, known: !mine },
      approvers:
        found === undefined || state.is !== 'pending'
          ? 'somebody'
          : describeStage({ offer: found.offer, stage: state.stage }),
      decided: signal => decided(id, signal),
      async leave({ keeps }) {
        if (!mine) return 'stands'
        return inTurn(person.user, () => leave(id, person, keeps)).catch((error): LeftRequest => {
          log.error({ err: error, request: id }, 'a request that nobody waits for could not be withdrawn')
          return 'stands'
        })
      },
    }
  }

  async function pending(person: AskingPerson, offered: Offered): Promise<AskedAccess | undefined> {
    const { user } = person
    const open = await requests.rows.list({ user, states: ['pending'], limit: MOST_OPEN })
    const same = open.find(request => isFor(request, offered))
    return same && waitFor(same, person, true)
  }

  async function approvedSince(since: number, { user }: AskingPerson, offered: Offered) {
    const given = await requests.rows.list({ user, states: ['approved', 'active'], limit: MOST_OPEN })
    return given.find(request => isFor(request, offered) && givesSince(request, since, requests.clock.now()))
  }

  return {
    now: () => requests.clock.now(),

    pending: (person, offered) => inTurn(person.user, () => pending(person, offered)),

    ask(person, offered, { words: { reason, ticket }, lengthMs, mayStay, since }) {
      return inTurn(person.user, async () => {
        // Another connection of theirs may have asked in the same moment, or while they typed.
        const asked = await pending(person, offered)
        if (asked !== undefined) return asked
        const approved = await approvedSince(since, person, offered)
        if (approved !== undefined) return waitFor(approved, person, true)
        const { account, target, role } = offered
        const wish = { on: { target: target.name }, account: account.name, role: role.name, reason, ticket }
        const waitMs = mayStay ? undefined : longestMs + BEYOND_LONGEST_MS
        const same = (pending: RequestedAccess) => isFor(pending, offered)
        const { request, known } = await requests.ask(person, { ...wish, forMs: lengthMs, waitMs }, same)
        return waitFor(request, person, known)
      })
    },
  }
}

/** Whether what it asks for is this account. */
function isFor(request: RequestedAccess, { account, target, role, name }: Offered): boolean {
  const { kind, extensionOf, wish } = request
  if (kind !== 'access' || extensionOf !== undefined || request.role !== role.name || request.offer !== name)
    return false
  return oneTargetOf(request) === target.name && matchesAccount(wish.accounts, account)
}

function givesSince({ state }: RequestedAccess, since: number, now: number): boolean {
  return (state.is === 'approved' || state.is === 'active') && state.startsAt >= since && state.startsAt <= now
}

function wordsOf({ state }: RequestedAccess): string {
  const why = 'words' in state && state.words !== undefined ? `: ${state.words}` : ''
  const by = 'by' in state ? ` by ${state.by}` : ''
  return `was ${state.is === 'expired' ? 'not decided in time' : `${state.is}${by}`}${why}`
}
