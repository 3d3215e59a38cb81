/** What somebody asks for by a template: what it fills in, and what they say beside it, which makes that less or adds what it leaves open. Facts in; throws what is said to them. */

import { matchesPattern, matchesTarget } from '../../policy/match.ts'
import { durationWords } from '../../shared/durations.ts'
import { GatewayError } from '../../shared/errors.ts'
import { linearPattern } from '../../shared/text/linear-pattern.ts'
import { LEVELS } from '../../shared/vocabulary.ts'
import type { Target } from '../../targets/target.ts'
import type { AskWish, TypedAsk } from '../choose-offer.ts'
import type { WhichTargets } from '../which-targets.ts'
import { leavesOpen, onOfTemplate, type RequestTemplate } from './request-template.ts'

/** `target`: the one that is named beside the template, as it is now. Throws `BAD_REQUEST`. */
export function fillIn({ name, ask }: RequestTemplate, wish: TypedAsk, target: Target | undefined): AskWish {
  if (wish.permanent) throw bad(`The template ${name} is for a time: ask for good without a template.`)
  const ticket = ticketOf()
  return {
    ...wish,
    ...{ on: targets(), account: same('account'), level: level(), role: same('role') },
    ...{ channels: some('channels'), databases: some('databases'), forMs: length() },
    ...{ ticket, reason: reason(ticket) },
  }

  function targets(): WhichTargets {
    const filled = onOfTemplate(ask)
    const { on } = wish
    if (filled === undefined) {
      if (on === undefined) throw bad(`The template ${name} leaves the target open: name it, as in --target web-01.`)
      return on
    }
    if (on === undefined) return filled
    if (!('target' in on)) throw bad(`The template ${name} chooses the targets: name one of them, or none.`)
    const fits =
      'target' in filled ? filled.target === on.target : target !== undefined && matchesTarget(filled.selector, target)
    if (!fits) throw bad(`The template ${name} is not for ${on.target}, or there is no such target.`)
    return on
  }

  function same(field: 'account' | 'role'): string | undefined {
    const [filled, said] = [ask[field], wish[field]]
    if (filled !== undefined && said !== undefined && said !== filled)
      throw bad(`The template ${name} is for the ${field} ${filled}, not ${said}.`)
    return filled ?? said
  }

  function level(): AskWish['level'] {
    const said = wish.level
    if (said === undefined) return ask.level
    if (ask.account !== undefined) throw bad(`The template ${name} is for the account ${ask.account}: say no level.`)
    if (ask.level !== undefined && LEVELS.indexOf(said) > LEVELS.indexOf(ask.level))
      throw bad(`The template ${name} is for the level ${ask.level} at most.`)
    return said
  }

  function some(field: 'channels' | 'databases'): readonly string[] | undefined {
    const filled: readonly string[] | undefined = ask[field]
    const more = filled && wish[field]?.find(one => !filled.some(pattern => matchesPattern(pattern, one)))
    if (more !== undefined)
      throw bad(`The template ${name} is for the ${field} ${filled!.join(', ')}, and not for ${more}.`)
    return wish[field] ?? filled
  }

  function length(): number | undefined {
    if (ask.for !== undefined && (wish.forMs ?? 0) > ask.for)
      throw bad(`The template ${name} is for ${durationWords(ask.for)} at most.`)
    return wish.forMs ?? ask.for
  }

  function ticketOf(): string | undefined {
    const said = wish.ticket?.trim() || undefined
    if (said === undefined && (ask.ticket !== undefined || leavesOpen(ask, 'ticket'))) {
      const form = ask.ticket === undefined ? '' : ` of the form ${ask.ticket}`
      throw bad(`The template ${name} needs a ticket${form}: say --ticket.`)
    }
    if (said !== undefined && ask.ticket !== undefined && !linearPattern(ask.ticket).matches(said))
      throw bad(`The template ${name} needs a ticket of the form ${ask.ticket}.`)
    return said
  }

  function reason(ticket: string | undefined): string | undefined {
    const said = wish.reason?.trim() || undefined
    if (ask.reason === undefined) return said
    if (leavesOpen(ask, 'reason') && said === undefined) throw bad(`The template ${name} needs a reason: say --reason.`)
    const text = ask.reason.replace(/\{(reason|ticket)\}/g, (_, word) => (word === 'reason' ? said! : ticket!))
    return leavesOpen(ask, 'reason') || said === undefined ? text : `${text}: ${said}`
  }
}

function bad(message: string): GatewayError {
  return new GatewayError('BAD_REQUEST', message)
}
