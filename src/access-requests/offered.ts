/** What a request is for, as roles and targets are now. */

import { matchesTarget } from '../policy/match.ts'
import { type Offer, offerName, offerFor as ofKind } from '../policy/on-request.ts'
import type { Role } from '../policy/role.ts'
import type { Roles } from '../policy/roles.ts'
import type { Target } from '../targets/target.ts'
import type { Targets } from '../targets/targets.ts'
import { openedBy } from './choose-offer.ts'
import type { RequestedAccess } from './request.ts'
import { withFurtherStep } from './review/evaluate.ts'
import { exactNames, onOf, type WhichTargets } from './which-targets.ts'

interface Parts {
  readonly roles: Pick<Roles, 'get'>
  readonly targets: Pick<Targets, 'get' | 'getAll' | 'pages'>
}

const PAGE = 500
/** What a selector may be made of. */
const MOST_TARGETS_SHOWN = 50

export interface RoleOffer {
  readonly role: Role
  readonly offer: Offer
}

export type OfferedNow = ReturnType<typeof createOfferedNow>

export function createOfferedNow({ roles, targets }: Parts) {
  async function offerOf(role: string, name: string): Promise<RoleOffer | undefined> {
    return offerIn(await roles.get(role), { offer: name })
  }

  async function targetsOf(on: WhichTargets): Promise<Target[]> {
    if ('target' in on) {
      const target = await targets.get(on.target)
      return target === undefined ? [] : [target]
    }
    const names = exactNames({ targets: on.selector })
    if (names !== undefined) return targets.getAll(names)
    const found: Target[] = []
    for await (const some of targets.pages(PAGE)) found.push(...some.filter(one => matchesTarget(on.selector, one)))
    return found
  }

  return {
    offerOf,
    targetsOf,

    offerFor: async (request: RequestedAccess) => offerIn(await roles.get(request.role), request),

    /** What it opens, of the targets that there are: the first of them, and how many. */
    async opens(request: RequestedAccess): Promise<{ accounts: string[]; targets: string[]; count: number }> {
      const found = await offerOf(request.role, request.offer)
      const asked = request.state.given ?? request.wish
      const opened = found === undefined ? [] : openedBy(found.role, request.offer, asked, await targetsOf(onOf(asked)))
      return {
        accounts: opened.slice(0, MOST_TARGETS_SHOWN).map(({ account, target }) => `${account.name}@${target.name}`),
        targets: [...new Set(opened.map(({ target }) => target.name))].slice(0, MOST_TARGETS_SHOWN),
        count: opened.length,
      }
    },
  }
}

/** What a request is for, in its role as it is now, for requests of its kind; with the further step that its review asked for. */
export function offerIn(
  role: Role | undefined,
  {
    offer: name,
    kind = 'access',
    review,
  }: Pick<RequestedAccess, 'offer' | 'review'> & { readonly kind?: RequestedAccess['kind'] },
): RoleOffer | undefined {
  const offer = role?.onRequest?.find(one => offerName(one) === name)
  return role === undefined || offer === undefined
    ? undefined
    : { role, offer: withFurtherStep(ofKind(offer, kind), review) }
}
