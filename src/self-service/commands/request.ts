import type { AskWish } from '../../access-requests/choose-offer.ts'
import { requestFacts, requestText } from '../../access-requests/request-text.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { LEVELS } from '../../shared/vocabulary.ts'
import { type Call, type Command, CommandError } from '../command.ts'
import { toPerson } from '../to-person.ts'
import { addressOf, forMsOf } from './checkout.ts'

type Verb = 'show' | 'cancel' | 'extend' | 'revoke'
const VERBS: readonly string[] = ['show', 'cancel', 'extend', 'revoke'] satisfies Verb[]

export const request: Command = {
  name: 'request',
  summary: 'ask for access for a time; show, cancel, extend or revoke it',
  usage:
    '<account@target> [--for 2h] [--reason TEXT] [--ticket ID] | --target T --level L ... | show|cancel|extend|revoke <id>',
  words: { least: 0, most: 2 },
  options: {
    target: { type: 'string' },
    level: { type: 'string' },
    for: { type: 'string' },
    reason: { type: 'string' },
    ticket: { type: 'string' },
  },
  async run(call) {
    const { parts, login, words, out } = call
    const [first, id] = words
    const own = parts.requestsOf(login)
    if (first !== undefined && VERBS.includes(first)) {
      if (id === undefined) throw new CommandError(EXIT.usage, `request ${first} needs the id of a request.`)
      return act(call, first as Verb, id)
    }
    if (id !== undefined) throw new CommandError(EXIT.usage, `There is no "request ${first}".`)
    const { request, lower } = await own.ask(wishOf(call)).catch(toPerson)
    await out.show({ request, lower }, () => [
      requestText(request),
      ...(lower === null
        ? []
        : [`${lower.account} (${lower.level}) would do with less: ask for that, where it serves.`]),
    ])
    return EXIT.ok
  },
}

async function act({ parts, login, options, out }: Call, verb: Verb, id: string) {
  const own = parts.requestsOf(login)
  const { reason, ticket } = options as { reason?: string; ticket?: string }
  if (verb === 'show') {
    const details = await own.show(id).catch(toPerson)
    await out.show(details, () => out.facts(requestFacts(details)))
    return EXIT.ok
  }
  const changed = await {
    cancel: () => own.cancel(id),
    revoke: () => own.revoke(id, reason),
    extend: () => own.extend(id, { forMs: forMsOf(options.for), reason, ticket }),
  }
    [verb]()
    .catch(toPerson)
  await out.show(changed, () => [requestText(changed)])
  return EXIT.ok
}

function wishOf({ words, options }: Call): AskWish {
  const { target, level, reason, ticket } = options as Record<
    'target' | 'level' | 'reason' | 'ticket',
    string | undefined
  >
  const [account] = words
  if ((account === undefined) === (target === undefined))
    throw new CommandError(EXIT.usage, 'Say what you ask for: request root@web-01, or request --target web-01.')
  const known = LEVELS.find(one => one === level)
  if (level !== undefined && known === undefined)
    throw new CommandError(EXIT.usage, `--level is one of ${LEVELS.join(', ')}.`)
  const address = account === undefined ? undefined : addressOf(account)
  return {
    on: { target: address?.target ?? target! },
    ...{ account: address?.account, level: known, forMs: forMsOf(options.for), reason, ticket },
  }
}
