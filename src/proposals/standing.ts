/** What deciding on a proposal asks of the store: who somebody is, with all of their users, and whether a proposer still may. */

import { samePerson } from '../access-requests/approvals.ts'
import type { FourEyes } from '../config/four-eyes.ts'
import type { Database } from '../database/database.ts'
import type { Tokens } from '../identity/tokens.ts'
import type { User } from '../identity/user.ts'
import { createUsers } from '../identity/users.ts'
import { scopesAtMost } from '../policy/api-scopes.ts'
import { createRoles } from '../policy/roles.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { beyond, formatScopes, type Scope } from '../shared/scopes.ts'
import { mayApprove, personsAmong } from './approving.ts'
import type { Content } from './content.ts'
import { ownGain, type PersonFacts } from './own-gain.ts'
import { approvalsNeeded, type ProposedChange } from './proposal.ts'
import { ProposerGone } from './proposer-gone.ts'

interface Parts {
  readonly database: Database
  readonly clock: Clock
  readonly tokens: Pick<Tokens, 'list'>
}

export type Standing = ReturnType<typeof createStanding>

export function createStanding({ database, clock, tokens }: Parts) {
  const usersOn = (on: Database = database) => createUsers({ database: on, clock })
  const rolesOn = (on: Database = database) => createRoles({ database: on, clock })

  /** With all users of theirs, disabled ones too: those may be enabled again. */
  async function personOf(user: User, on?: Database): Promise<PersonFacts> {
    const own = [user]
    const texts = await usersOn(on).texts()
    for (const [name, text] of texts) {
      if (name === user.name) continue
      const other = JSON.parse(text) as User
      if (samePerson({ ...other, publicKeys: other.publicKeys ?? [] }, user)) own.push(other)
    }
    return { users: own, roles: await rolesOn(on).getAll([...new Set(own.flatMap(({ roles }) => roles))]) }
  }

  async function isSame(one: string, other: string): Promise<boolean> {
    if (one === other) return true
    const found = await usersOn().getAll([one, other])
    return found.length === 2 && samePerson(found[0]!, found[1]!)
  }

  /** Who may write roles. */
  async function administrators(): Promise<User[]> {
    const roles = (await rolesOn().list()).filter(role => scopesAtMost([role]).has('administrate'))
    return named(roles.map(({ name }) => `role:${name}`))
  }

  /** Whom `role:NAME` and `user:NAME` mean now. */
  async function named(approvers: readonly string[]): Promise<User[]> {
    const found: User[] = []
    for await (const some of usersOn().pages(500))
      found.push(...some.filter(user => !user.disabled && approvers.some(who => isNamed(who, user))))
    return found
  }

  return {
    personOf,
    isSame,
    named,
    administrators,
    users: (names: readonly string[], on?: Database): Promise<User[]> =>
      names.length === 0 ? Promise.resolve([]) : usersOn(on).getAll(names),

    /** Whoever could not propose it now has not proposed it. Throws {@link ProposerGone}. */
    async checkProposer({ proposer, withdrawn }: ProposedChange, content: Content, on: Database): Promise<void> {
      if (proposer.is === 'owner') return
      const user = withdrawn ? undefined : (await usersOn(on).getAll([proposer.user]))[0]
      if (user === undefined || user.disabled)
        throw new ProposerGone(`${proposer.user}, who proposed it, was removed or disabled.`)
      if (proposer.is === 'request') return
      const missing = formatScopes(beyond(new Set(content.scopes), await heldBy(user)))
      if (missing !== '') throw new ProposerGone(`whoever proposed it has the scope ${missing} no more.`)

      async function heldBy(user: User): Promise<ReadonlySet<Scope>> {
        if (proposer.is !== 'token') return scopesAtMost(await rolesOn(on).heldBy(user))
        const row = (await tokens.list(on)).find(({ name }) => name === proposer.token)
        const isOver = row?.expiresAt !== undefined && row.expiresAt <= clock.now()
        return row === undefined || isOver || row.user !== user.name ? new Set() : row.scopes
      }
    },

    /** Throws `CONFLICT` where too few could approve it: it would wait for nobody. */
    async checkApprovable(proposal: ProposedChange, content: Content, { approvers }: FourEyes): Promise<void> {
      const { proposer } = proposal
      const proposing = proposer.is === 'owner' ? undefined : (await usersOn().getAll([proposer.user]))[0]
      const facts = { approvers, proposer: proposing, approvals: [], now: clock.now() }
      const needed = approvalsNeeded(proposer)
      const whys = new Set<string>()
      const able: User[] = []
      for (const user of await named(approvers)) {
        const may = mayApprove(facts, { ...user, workingHours: undefined }, ownGain(content, await personOf(user)))
        if (may.may) able.push(user)
        else whys.add(`${user.name}: ${may.why}`)
        if (personsAmong(able) >= needed) return
      }
      const people = needed === 1 ? 'one person' : `${needed} persons`
      throw new GatewayError(
        'CONFLICT',
        [
          `This needs ${people} of ${approvers.join(', ')} to approve it, and ${personsAmong(able)} could.`,
          ...[...whys].slice(0, 5).map(why => `  ${why}`),
          "The owner can apply it on the gateway's machine: sallyport apply --break-glass REASON.",
        ].join('\n'),
      )
    },
  }
}

function isNamed(who: string, { name, roles }: User): boolean {
  return who === `user:${name}` || roles.some(role => who === `role:${role}`)
}
