import type { OwnRequests } from '../../access-requests/own-requests.ts'
import { readLength, readWish, type TypedWish } from '../../access-requests/read-wish.ts'
import { requestFacts, requestText } from '../../access-requests/request-text.ts'
import { TEMPLATE_COLUMNS } from '../../access-requests/templates/template-document.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { type Call, type Command, CommandError } from '../command.ts'
import { toPerson } from '../to-person.ts'

type Verb = 'show' | 'cancel' | 'extend' | 'revoke'
const VERBS: readonly string[] = ['show', 'cancel', 'extend', 'revoke'] satisfies Verb[]

export const request: Command = {
  name: 'request',
  summary: 'ask for access for a time; show, cancel, extend or revoke it',
  usage:
    '<account@target | --target T | --labels N=V | --targets T | --template NAME> [--level L] [--account A] [--role R] [--for 2h] [--at TIME] [--channel C] [--database D] [--reason TEXT] [--ticket ID] [--permanent] | templates | show|cancel|extend|revoke <id>',
  words: { least: 0, most: 2 },
  options: {
    template: { type: 'string' },
    target: { type: 'string' },
    labels: { type: 'string', multiple: true },
    targets: { type: 'string', multiple: true },
    level: { type: 'string' },
    account: { type: 'string' },
    role: { type: 'string' },
    for: { type: 'string' },
    at: { type: 'string' },
    channel: { type: 'string', multiple: true },
    database: { type: 'string', multiple: true },
    reason: { type: 'string' },
    ticket: { type: 'string' },
    permanent: { type: 'boolean' },
  },
  async run(call) {
    const { words, out } = call
    const [first, id] = words
    if (first === 'templates' && id === undefined) return showTemplates(call)
    if (first !== undefined && VERBS.includes(first)) {
      if (id === undefined) throw new CommandError(EXIT.usage, `request ${first} needs the id of a request.`)
      return act(call, first as Verb, id)
    }
    if (id !== undefined) throw new CommandError(EXIT.usage, `There is no "request ${first}".`)
    const { request, lower } = await asked(call).catch(toPerson)
    await out.show({ request, lower }, () => [
      requestText(request),
      ...(lower === null
        ? []
        : [`${lower.account} (${lower.level}) would do with less: ask for that, where it serves.`]),
    ])
    return EXIT.ok
  },
}

/** Times are UTC, as in all that is answered. */
async function asked({ parts, login, words: [address], options }: Call): ReturnType<OwnRequests['ask']> {
  const wish = readWish(address, options as unknown as TypedWish, { now: parts.clock.now() })
  return parts.requestsOf(login).ask(wish)
}

async function showTemplates({ parts, login, out }: Call) {
  const templates = await parts.requestsOf(login).templates().catch(toPerson)
  await out.show({ templates }, () => out.table(TEMPLATE_COLUMNS, templates, 'There is no template for you.'))
  return EXIT.ok
}

async function act({ parts, login, person, options, out }: Call, verb: Verb, id: string) {
  const own = parts.requestsOf(login)
  const { reason, ticket } = options as { reason?: string; ticket?: string }
  if (verb === 'show') {
    const details = await own.show(id).catch(toPerson)
    await out.show(details, () => [
      ...out.facts(requestFacts(details)),
      ...(details.mayDecide
        ? [`To decide: ssh ${person.user}@gateway approve ${id}`, `       or: deny ${id} --reason "'...'"`]
        : []),
    ])
    return EXIT.ok
  }
  const changed = await {
    cancel: () => own.cancel(id),
    revoke: () => own.revoke(id, reason),
    extend: async () => own.extend(id, { forMs: readLength(options.for as string | undefined), reason, ticket }),
  }
    [verb]()
    .catch(toPerson)
  await out.show(changed, () => [requestText(changed)])
  return EXIT.ok
}
