import type { RequestView } from '../../access-requests/own-requests.ts'
import { MOST_LISTED } from '../../access-requests/request.ts'
import type { RequestDocument } from '../../access-requests/request-document.ts'
import { requestColumns } from '../../access-requests/request-text.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { REQUEST_ID_PATTERN } from '../../shared/ids.ts'
import { type Call, type Command, CommandError } from '../command.ts'
import { toPerson } from '../to-person.ts'

const VIEWS: readonly string[] = ['mine', 'to-decide'] satisfies RequestView[]

export const requests: Command = {
  name: 'requests',
  summary: 'what you have asked for, and what waits for your decision',
  usage: '[mine | to-decide] [--after ID]',
  words: { least: 0, most: 1 },
  options: { after: { type: 'string' } },
  async run(call) {
    const { parts, login, out } = call
    const own = parts.requestsOf(login)
    const { view, after } = readWhich(call)
    const page = { limit: MOST_LISTED, before: after }
    const listed = (one: RequestView) => (view === undefined || view === one ? own.list(one, page) : [])
    const [mine, toDecide] = await Promise.all([listed('mine'), listed('to-decide')]).catch(toPerson)
    const waits = view === undefined && toDecide.length === 0 ? ', and nothing waits for you' : ''
    await out.show({ mine, toDecide }, () => [
      ...(toDecide.length === 0 && view !== 'to-decide'
        ? []
        : [
            'Waiting for you:',
            ...out.table(requestColumns(true), toDecide, 'nothing'),
            ...more('to-decide', toDecide),
          ]),
      ...(view === undefined && toDecide.length > 0 ? [''] : []),
      ...(view === 'to-decide'
        ? []
        : [...out.table(requestColumns(false), mine, `You have asked for nothing${waits}.`), ...more('mine', mine)]),
    ])
    return EXIT.ok
  },
}

function readWhich({ words: [view], options }: Call): { view: RequestView | undefined; after: string | undefined } {
  if (view !== undefined && !VIEWS.includes(view))
    throw new CommandError(EXIT.usage, 'After "requests" comes mine or to-decide, or nothing.')
  const after = options.after as string | undefined
  if (after === undefined) return { view: view as RequestView | undefined, after }
  if (view === undefined) throw new CommandError(EXIT.usage, 'Say which list goes on: requests mine --after ID.')
  if (!REQUEST_ID_PATTERN.test(after)) throw new CommandError(EXIT.usage, '--after is the id of a request, req_...')
  return { view: view as RequestView, after }
}

/** A list that is as long as one may be has perhaps not all. */
function more(view: RequestView, listed: readonly RequestDocument[]): string[] {
  return listed.length < MOST_LISTED ? [] : [`There may be more: requests ${view} --after ${listed.at(-1)!.id}`]
}
