/** A grant: the decision for one session. Only `authorize.ts` mints one. */

import type { Channel } from '../protocols/registered.ts'
import type { Promptness } from '../shared/vocabulary.ts'
import type { Account, Target } from '../targets/target.ts'
import type { FollowTerms, Moderation } from './session-conditions.ts'

/** What ends a session by itself: its role's maximum time, the role's hours, or the time of the request that it rests on. */
export type EndsBy = 'maximum-time' | 'hours' | 'request'

/** When a session ends by itself, and why. */
export interface GrantEnd {
  /** Milliseconds since the epoch. */
  readonly endsAt: number
  readonly endsBy: EndsBy
  /** The command that asks for more time, where one can. */
  readonly more?: string | undefined
}

export interface GrantTerms {
  readonly session: string
  readonly user: string
  readonly target: Target
  readonly account: Account
  /** The database to log in to, as the target reads its name; undefined where the target has none. */
  readonly database?: string | undefined
  /** The names of the roles that give it together, with commas between. */
  readonly role: string
  /** The approved request that it rests on, `req_…`; undefined: it is given outright. */
  readonly request?: string | undefined
  readonly channels: ReadonlySet<Channel>
  /** As it was decided at the beginning: the end may be moved later. */
  readonly ends: GrantEnd
  /** Milliseconds without traffic after which the session ends; undefined: never. */
  readonly idleMs: number | undefined
  readonly recordInput: boolean
  readonly recordExecInput: boolean
  /** At least so much is kept of each stream of a channel without a terminal; 0 where no role says. */
  readonly execOutputLimitBytes: number
  readonly recording: Promptness
  /** The names of those of the roles that allow the user one live session at a time; not given: none does. */
  readonly oneLiveOf?: readonly string[]
  /** Why, and by which ticket, as the user has said at the login. */
  readonly reason?: string | undefined
  readonly ticket?: string | undefined
  /** Who must watch it; not given: nobody needs to. */
  readonly moderation?: Moderation | undefined
  /** Whether the user is told who watches; not given: they are. */
  readonly follow?: FollowTerms
  /** Whether the user may read who has checked the account out. */
  readonly seesHolder?: boolean
}

class GrantProof {
  // A private field makes the type nominal: an object that merely looks like a grant is not one.
  readonly #terms: GrantTerms

  constructor(terms: GrantTerms) {
    this.#terms = terms
  }

  get session(): string {
    return this.#terms.session
  }
  get user(): string {
    return this.#terms.user
  }
  get target(): Target {
    return this.#terms.target
  }
  get account(): Account {
    return this.#terms.account
  }
  get database(): string | undefined {
    return this.#terms.database
  }
  get role(): string {
    return this.#terms.role
  }
  get request(): string | undefined {
    return this.#terms.request
  }
  get ends(): GrantEnd {
    return this.#terms.ends
  }
  get endsAt(): number {
    return this.#terms.ends.endsAt
  }
  get idleMs(): number | undefined {
    return this.#terms.idleMs
  }
  get recordInput(): boolean {
    return this.#terms.recordInput
  }
  get recordExecInput(): boolean {
    return this.#terms.recordExecInput
  }
  get execOutputLimitBytes(): number {
    return this.#terms.execOutputLimitBytes
  }
  get oneLiveOf(): readonly string[] {
    return this.#terms.oneLiveOf ?? []
  }
  get reason(): string | undefined {
    return this.#terms.reason
  }
  get ticket(): string | undefined {
    return this.#terms.ticket
  }
  get moderation(): Moderation | undefined {
    return this.#terms.moderation
  }
  get follow(): FollowTerms {
    return this.#terms.follow ?? 'announced'
  }
  get seesHolder(): boolean {
    return this.#terms.seesHolder ?? false
  }
  get recording(): Promptness {
    return this.#terms.recording
  }

  /** All that it says, for the process that relays. */
  get terms(): GrantTerms {
    return this.#terms
  }

  allows(channel: Channel): boolean {
    return this.#terms.channels.has(channel)
  }
}

/** The type alone is public: a value of it comes from `authorize` and from nowhere else. */
export type Grant = GrantProof

/** For the session's row and the audit log: the account's name at the target, where it is another. */
export function loginDetail({ account: { login, logins } }: Grant): { login?: string } {
  // Which of two it is, the version of the lease tells.
  const text = logins === undefined ? login : logins.join(' or ')
  return text === undefined ? {} : { login: text }
}

/** For rows, events and recordings. */
export function wordsOf({ reason, ticket }: Pick<Grant, 'reason' | 'ticket'>): { reason?: string; ticket?: string } {
  return { ...(reason === undefined ? {} : { reason }), ...(ticket === undefined ? {} : { ticket }) }
}

/** For `policy/authorize.ts` only. */
export function mintGrant(terms: GrantTerms): Grant {
  return new GrantProof(terms)
}

/** For a worker (`gateway/workers/`): a grant as the process that decided has told it. */
export function receivedGrant(terms: GrantTerms): Grant {
  return new GrantProof(terms)
}
