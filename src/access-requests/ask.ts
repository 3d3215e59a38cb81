/** Asking for what one's roles give on request. */

import type { AuditAppender } from '../audit/event.ts'
import { offerFor, offerName } from '../policy/on-request.ts'
import { requestCommand } from '../policy/request-command.ts'
import type { Roles } from '../policy/roles.ts'
import { checkWords } from '../policy/wish-words.ts'
import type { Access } from '../session/access.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { type Actor, byOf } from './actor.ts'
import type { Changes } from './change.ts'
import { type AskWish, type Chosen, chooseOffer, readChannel } from './choose-offer.ts'
import { refused } from './events.ts'
import type { NewRequests } from './new-request.ts'
import type { OfferedNow } from './offered.ts'
import type { AskedAccess, RequestedAccess } from './request.ts'

interface Parts {
  readonly audit: Pick<AuditAppender, 'append'>
  readonly access: Pick<Access, 'look'>
  readonly roles: Pick<Roles, 'heldBy'>
  readonly offered: Pick<OfferedNow, 'targetsOf'>
  readonly newRequests: Pick<NewRequests, 'prepare'>
  readonly changes: Pick<Changes, 'change'>
  readonly clock: Clock
}

export function createAsk({ audit, access, roles, offered, newRequests, changes, clock }: Parts) {
  async function choose(person: Actor, wish: AskWish, now: number): Promise<Chosen> {
    const held = await roles.heldBy({ roles: person.roles, disabled: false })
    try {
      return chooseOffer(held, await offered.targetsOf(wish.on), wish, now)
    } catch (error) {
      if (!(error instanceof GatewayError && error.code === 'ACCESS_DENIED')) throw error
      await audit.append(refused(byOf(person), { wanted: wantedWords(wish), why: 'no role of the user offers it' }))
      await checkNotHad(person, wish)
      throw error
    }
  }

  /** Throws `CONFLICT` where no role need offer it, since the person has it. */
  async function checkNotHad(person: Actor, { on, account, level, channels = [], permanent }: AskWish): Promise<void> {
    if (!('target' in on) || permanent) return
    const decision = await access.look(person, { ...(account === undefined ? {} : { account }), target: on.target })
    if (!decision.granted || decision.request !== undefined) return
    if (!channels.every(one => decision.channels.has(readChannel(one)))) return
    if (level === undefined || level === decision.account.level) throw hadAlready(decision.account.name, on.target)
  }

  /** Throws `CONFLICT` where the person has it already. */
  async function checkNeeded(person: Actor, { on, permanent }: AskWish, asked: AskedAccess): Promise<void> {
    if (!('target' in on) || permanent) return
    const [account] = asked.accounts.names!
    const decision = await access.look(person, { account: account!, target: on.target })
    if (decision.granted && decision.request === undefined && asked.channels.every(one => decision.channels.has(one)))
      throw hadAlready(account!, on.target)
  }

  /**
   * Throws `BAD_REQUEST`, `ACCESS_DENIED`, `CONFLICT` and `AUDIT_UNAVAILABLE`. `lower`: an account of a lower level would do as well. `known`: nothing
   * new was asked for, since one that waits for its decision is the `same`.
   */
  return async (person: Actor, wish: AskWish, same?: (pending: RequestedAccess) => boolean) => {
    const now = clock.now()
    if (wish.permanent && !('target' in wish.on))
      throw new GatewayError(
        'BAD_REQUEST',
        'For good one asks for one account at a time, as in root@web-01 --permanent.',
      )
    if (wish.permanent && (wish.forMs !== undefined || wish.startsAt !== undefined))
      throw new GatewayError('BAD_REQUEST', 'What is asked for good has no --for and no --at.')
    const { role, offer, asked, lower } = await choose(person, wish, now)
    const example = requestCommand(person.user, addressWords(wish, asked), offer)
    const words = checkWords(offer, wish, 'This access', example)
    await checkNeeded(person, wish, asked)
    const waitMs = Math.min(offer.validFor, wish.waitMs ?? offer.validFor)
    const request: RequestedAccess = {
      id: newId('req', now),
      kind: wish.permanent ? 'permanent' : 'access',
      user: person.user,
      ...{ role: role.name, offer: offerName(offer) },
      wish: { ...asked, ...words, template: wish.template, source: person.sourceAddress, clock: offer.clock },
      extensionOf: undefined,
      ...{ askedAt: now, revision: 1 },
      state: { is: 'pending', stage: 0, stageSince: now, expiresAt: now + waitMs, given: asked },
    }
    const restsOn = { role, offer: offerFor(offer, request.kind), by: byOf(person), base: undefined, same }
    const stored = await changes.change(() => newRequests.prepare(request, restsOn))
    return { request: stored, known: stored.id !== request.id, lower }
  }
}

function hadAlready(account: string, target: string): GatewayError {
  return new GatewayError('CONFLICT', `You have ${account}@${target} without asking.`)
}

/** `root@web-01`, where it is one account; else how to choose what was chosen. */
function addressWords({ on, template }: AskWish, { accounts: { names = [], levels = [] } }: AskedAccess): string {
  const [account] = names
  const by = template === undefined ? '' : `--template ${template} `
  if ('target' in on && account !== undefined) return `${by}${account}@${on.target}`
  if (template !== undefined) return `${by}...`
  return account === undefined ? `--level ${levels[0]} ...` : `--account ${account} ...`
}

function wantedWords({ on, account, level }: AskWish): string {
  const where = 'target' in on ? on.target : JSON.stringify(on.selector)
  return `${account ?? level ?? 'any account'} on ${where}`.slice(0, 200)
}
