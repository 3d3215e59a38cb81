/** Which templates somebody can ask by: those for something that one of their roles offers now. */

import { matchesTarget } from '../../policy/match.ts'
import { type Offered, offersFor } from '../../policy/offers.ts'
import type { Role } from '../../policy/role.ts'
import type { Target } from '../../targets/target.ts'
import type { Targets } from '../../targets/targets.ts'
import { isMeant } from '../choose-offer.ts'
import { exactNames } from '../which-targets.ts'
import type { FilledIn, RequestTemplate } from './request-template.ts'

const PAGE = 500

/** In the order in which they are given. `held`: the roles of the one who asks. */
export async function usableOf(
  templates: readonly RequestTemplate[],
  held: readonly Role[],
  targets: Pick<Targets, 'getAll' | 'pages'>,
): Promise<RequestTemplate[]> {
  const roles = held.filter(({ onRequest }) => onRequest !== undefined)
  if (roles.length === 0 || templates.length === 0) return []
  const open = new Set(templates)
  look(await targets.getAll([...new Set(templates.flatMap(({ ask }) => namesIn(ask) ?? []))]))
  if ([...open].some(({ ask }) => namesIn(ask) === undefined)) {
    for await (const some of targets.pages(PAGE)) {
      look(some)
      if (open.size === 0) break
    }
  }
  return templates.filter(template => !open.has(template))

  function look(some: readonly Target[]): void {
    const offered = some.flatMap(target => offersFor(roles, target, {}))
    for (const template of open) if (offered.some(one => isFor(template.ask, one))) open.delete(template)
  }
}

/** The names of its targets; undefined: it chooses them otherwise, or leaves them open. */
function namesIn({ target, targets }: FilledIn): readonly string[] | undefined {
  if (target !== undefined) return [target]
  return targets && exactNames({ targets })
}

function isFor(ask: FilledIn, offered: Offered): boolean {
  const { target, account } = offered
  return (
    (ask.account === undefined || ask.account === account.name) &&
    (ask.level === undefined || ask.level === account.level) &&
    isMeant(ask, offered) &&
    (ask.target === undefined || ask.target === target.name) &&
    (ask.targets === undefined || matchesTarget(ask.targets, target))
  )
}
