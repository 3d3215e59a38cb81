/** Templates for those who ask: which ones somebody can use, and what is asked for by one. */

import type { AuditAppender } from '../../audit/event.ts'
import type { Roles } from '../../policy/roles.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { Targets } from '../../targets/targets.ts'
import { type Actor, byOf } from '../actor.ts'
import type { AskWish, TypedAsk } from '../choose-offer.ts'
import { refused } from '../events.ts'
import { fillIn } from './fill.ts'
import type { RequestTemplate } from './request-template.ts'
import type { RequestTemplates } from './request-templates.ts'
import { usableOf } from './usable.ts'

interface Parts {
  readonly stored: Pick<RequestTemplates, 'get' | 'list'>
  readonly roles: Pick<Roles, 'heldBy'>
  readonly targets: Pick<Targets, 'get' | 'getAll' | 'pages'>
  readonly audit: Pick<AuditAppender, 'append'>
}

export type Templates = ReturnType<typeof createTemplates>

export function createTemplates({ stored, roles, targets, audit }: Parts) {
  const ofThese = async (templates: readonly RequestTemplate[], person: Actor) =>
    usableOf(templates, await roles.heldBy({ roles: person.roles, disabled: false }), targets)

  return {
    /** All, by name. */
    list: stored.list,

    /** By name. */
    usableBy: async (person: Actor) => ofThese(await stored.list(), person),

    /** Throws `NOT_FOUND`, the same whether there is none or none of their roles offers what it is for, and `BAD_REQUEST`. */
    async fill(person: Actor, name: string, wish: TypedAsk): Promise<AskWish> {
      const found = await stored.get(name)
      const [template] = found === undefined ? [] : await ofThese([found], person)
      if (template === undefined) {
        const why = found === undefined ? 'there is no such template' : 'no role of the user offers what it is for'
        await audit.append(refused(byOf(person), { template: name, why }))
        throw new GatewayError(
          'NOT_FOUND',
          `There is no template ${name} that you can use: "request templates" lists those that you can.`,
        )
      }
      const named = wish.on !== undefined && 'target' in wish.on ? await targets.get(wish.on.target) : undefined
      return fillIn(template, wish, named)
    },
  }
}

/** Asking, where a template fills its part in first. Throws as the two do. */
export function createAskByTemplate<T, More extends unknown[]>(
  { fill }: Pick<Templates, 'fill'>,
  ask: (person: Actor, wish: AskWish, ...more: More) => Promise<T>,
): (person: Actor, wish: TypedAsk, ...more: More) => Promise<T> {
  return async (person, wish, ...more) => {
    const { template, on } = wish
    if (template !== undefined) return ask(person, await fill(person, template, wish), ...more)
    if (on === undefined) throw new GatewayError('BAD_REQUEST', 'Say a target, or a template.')
    return ask(person, { ...wish, on }, ...more)
  }
}
