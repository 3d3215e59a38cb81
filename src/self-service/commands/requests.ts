import type { RequestView } from '../../access-requests/own-requests.ts'
import { MOST_LISTED } from '../../access-requests/request.ts'
import { requestColumns } from '../../access-requests/request-text.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { REQUEST_ID_PATTERN } from '../../shared/ids.ts'
import type { Command } from '../command.ts'
import { toPerson } from '../to-person.ts'
import { bothLists, LIST_OPTIONS, LIST_USAGE, readWhichList } from '../which-list.ts'

export const requests: Command = {
  name: 'requests',
  summary: 'what you have asked for, and what waits for your decision',
  usage: LIST_USAGE,
  words: { least: 0, most: 1 },
  options: LIST_OPTIONS,
  async run(call) {
    const { parts, login, out } = call
    const own = parts.requestsOf(login)
    const { view, after } = readWhichList(call, { name: 'requests', id: REQUEST_ID_PATTERN })
    const page = { limit: MOST_LISTED, before: after }
    const listed = (one: RequestView) => (view === undefined || view === one ? own.list(one, page) : [])
    const [mine, toDecide] = await Promise.all([listed('mine'), listed('to-decide')]).catch(toPerson)
    const waits = view === undefined && toDecide.length === 0 ? ', and nothing waits for you' : ''
    const tables = {
      mine: () => out.table(requestColumns(false), mine, `You have asked for nothing${waits}.`),
      toDecide: () => out.table(requestColumns(true), toDecide, 'Nothing waits for you.'),
    }
    await out.show({ mine, toDecide }, () => bothLists({ name: 'requests', view, mine, toDecide, tables }))
    return EXIT.ok
  },
}
