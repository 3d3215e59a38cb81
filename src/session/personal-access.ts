/**
 * A person's own way to the API: making personal tokens, using them, ending them. What a token is good for is asked anew each time: what it
 * was made for, as far as her roles give it now.
 */

import type { Outbox } from '../audit/chain/outbox.ts'
import type { AuditAppender } from '../audit/event.ts'
import type { Documents } from '../database/documents.ts'
import { MOST_TOKENS, type NotMade, type PersonalToken, type PersonalTokens } from '../identity/personal-tokens.ts'
import type { User } from '../identity/user.ts'
import { scopesGiven } from '../policy/api-scopes.ts'
import type { Roles } from '../policy/roles.ts'
import type { Clock } from '../shared/clock.ts'
import { durationWords } from '../shared/durations.ts'
import { GatewayError } from '../shared/errors.ts'
import type { FactorLists } from '../shared/factor-lists.ts'
import type { Factor } from '../shared/factors.ts'
import { newId } from '../shared/ids.ts'
import { NAME_PATTERN } from '../shared/names.ts'
import { formatScopes, OWN, type Scope } from '../shared/scopes.ts'
import type { Secret } from '../shared/secret.ts'

/** Somebody who has proven who they are, and from where. */
export interface Person {
  readonly user: string
  readonly proven: ReadonlySet<Factor>
  readonly sourceAddress: string
}

export interface TokenWish {
  /** Not given: one that nobody has. */
  readonly name?: string | undefined
  /** `all`: whatever her roles give now. */
  readonly scopes: ReadonlySet<Scope> | 'all'
  readonly validForMs: number
  /** The session in which it is asked for, for the audit log. */
  readonly session?: string
}

export interface MadeToken {
  readonly text: Secret
  readonly name: string
  readonly scopes: ReadonlySet<Scope>
  readonly expiresAt: number
}

/** A token in use. */
export interface Holder {
  readonly token: PersonalToken
  /** What it is good for now. */
  readonly scopes: ReadonlySet<Scope>
}

export type PersonalAccess = ReturnType<typeof createPersonalAccess>

interface Parts {
  readonly tokens: PersonalTokens
  readonly users: Pick<Documents<User>, 'get'>
  readonly roles: Pick<Roles, 'heldBy'>
  readonly outbox: Outbox
  readonly audit: AuditAppender
  readonly clock: Clock
  /** The gateway's factor lists, for roles that name none. */
  readonly defaults: FactorLists
  /** No token is valid for longer; 0: there are none. */
  readonly maxAgeMs: number
  /** A token was made, used for the first time, revoked, or has expired. */
  readonly count: (what: 'created' | 'first-used' | 'revoked' | 'expired') => void
}

export function createPersonalAccess(parts: Parts) {
  const { tokens, users, roles, outbox, audit, clock, defaults, maxAgeMs, count } = parts

  /** Also of a token that was made when the configuration allowed more. */
  const endOf = ({ createdAt, expiresAt }: PersonalToken) => Math.min(expiresAt, createdAt + maxAgeMs)

  /** What her roles give now, and what is everybody's; undefined where she is removed or disabled. */
  async function scopesOf({ user, proven, sourceAddress }: Person): Promise<ReadonlySet<Scope> | undefined> {
    const known = await users.get(user)
    if (known === undefined || known.disabled) return undefined
    const held = await roles.heldBy(known)
    return OWN.union(scopesGiven({ roles: held, defaults, sourceAddress, now: clock.now() }, proven))
  }

  /** What has ended has ended: its event waits in the outbox where the chain cannot be written now. */
  const flushLater = () => audit.flush().catch(() => undefined)

  return {
    scopes: scopesOf,

    /** Throws `BAD_REQUEST`, `FORBIDDEN` or `CONFLICT`, in words for her, and `AUDIT_UNAVAILABLE`. */
    async create(person: Person, wish: TokenWish): Promise<MadeToken> {
      const { user, proven, sourceAddress } = person
      const { validForMs, session, name = newId('tok', clock.now()) } = wish
      if (maxAgeMs === 0) throw new GatewayError('FORBIDDEN', 'This gateway makes no personal tokens.')
      if (!NAME_PATTERN.test(name))
        throw new GatewayError('BAD_REQUEST', 'A name has letters, digits, ".", "_" and "-", at most 64.')
      if (!(validForMs > 0)) throw new GatewayError('BAD_REQUEST', 'A token must be valid for more than 0s.')
      if (validForMs > maxAgeMs)
        throw new GatewayError('BAD_REQUEST', `A token is valid for ${durationWords(maxAgeMs)} at most here.`)
      const given = await scopesOf(person)
      if (given === undefined) throw new GatewayError('FORBIDDEN', 'Your access was withdrawn.')
      const scopes = wish.scopes === 'all' ? given : wish.scopes
      const missing = formatScopes(scopes.difference(given))
      if (missing !== '')
        throw new GatewayError('FORBIDDEN', `None of your roles gives ${missing} now; you have ${formatScopes(given)}.`)
      const expiresAt = clock.now() + validForMs
      const made = await outbox.change(async (on, tell) => {
        const text = await tokens.create({ user, name, scopes, proven, madeFrom: sourceAddress, expiresAt }, on)
        if (typeof text === 'string') return text
        tell({
          ...{ kind: 'personal-token.created', actor: user, ...(session === undefined ? {} : { session }) },
          data: {
            ...{ name, scopes: formatScopes(scopes), source: sourceAddress },
            expiresAt: new Date(expiresAt).toISOString(),
          },
        })
        return text
      })
      if (typeof made === 'string') throw new GatewayError(...whyNot(made, name))
      // Nobody has its text before the audit log knows of it.
      await audit.flush()
      count('created')
      return { text: made, name, scopes, expiresAt }
    },

    /** Those that are valid; of all users, where none is named. */
    async list(user?: string): Promise<PersonalToken[]> {
      return (await tokens.list(user)).filter(token => endOf(token) > clock.now())
    },

    endOf,

    /** What the holder of a text may do now; undefined where it is no token, or none any more. Throws `AUDIT_UNAVAILABLE`. */
    async use(text: string, sourceAddress: string): Promise<Holder | undefined> {
      const token = await tokens.find(text)
      if (token === undefined || endOf(token) <= clock.now()) return undefined
      const { user, name, proven, firstUsedAt } = token
      const given = await scopesOf({ user, proven, sourceAddress })
      if (given === undefined) return undefined
      if (firstUsedAt === undefined) {
        const isFirst = await outbox.change(async (on, tell) => {
          const noted = await tokens.noteUse(token, on)
          if (noted) tell({ kind: 'personal-token.first-used', actor: user, data: { name, source: sourceAddress } })
          return noted
        })
        await audit.flush()
        if (isFirst) count('first-used')
      }
      return { token, scopes: token.scopes.intersection(given) }
    },

    /** False when she has none of that name. `by`: who does it, and in which session. */
    async revoke(user: string, name: string, by: { actor: string; session?: string }): Promise<boolean> {
      const removed = await outbox.change(async (on, tell) => {
        const gone = await tokens.remove(user, name, on)
        if (gone) tell({ kind: 'personal-token.revoked', ...by, data: { user, name } })
        return gone
      })
      if (!removed) return false
      await flushLater()
      count('revoked')
      return true
    },

    /** Removes what has expired, and has it audited: once, whichever gateway comes first. */
    async endExpired(): Promise<void> {
      const expired = await tokens.listExpired(maxAgeMs)
      for (const token of expired) {
        const { user, name } = token
        const removed = await outbox.change(async (on, tell) => {
          const gone = await tokens.remove(user, name, on)
          const expiredAt = new Date(endOf(token)).toISOString()
          if (gone) tell({ kind: 'personal-token.expired', actor: 'gateway', data: { user, name, expiredAt } })
          return gone
        })
        if (removed) count('expired')
      }
      if (expired.length > 0) await flushLater()
    },
  }
}

function whyNot(reason: NotMade, name: string): ['CONFLICT' | 'FORBIDDEN', string] {
  if (reason === 'name-taken') return ['CONFLICT', `You have a token with the name ${name} already.`]
  if (reason === 'too-many') return ['CONFLICT', `You have ${MOST_TOKENS} tokens: revoke some first.`]
  return ['FORBIDDEN', 'Your access was withdrawn.']
}
