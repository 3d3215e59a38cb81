import { requestColumns } from '../../access-requests/request-text.ts'
import { REQUEST_ID_PATTERN } from '../../shared/ids.ts'
import type { Command } from '../command.ts'
import { LIST_OPTIONS, LIST_USAGE, showBothLists } from '../which-list.ts'

export const requests: Command = {
  name: 'requests',
  summary: 'what you have asked for, and what waits for your decision',
  usage: LIST_USAGE,
  words: { least: 0, most: 1 },
  options: LIST_OPTIONS,
  run(call) {
    const own = call.parts.requestsOf(call.login)
    return showBothLists(call, {
      ...{ name: 'requests', id: REQUEST_ID_PATTERN, list: own.list },
      columns: view => requestColumns(view === 'to-decide'),
      noneOfMine: all => `You have asked for nothing${all ? ', and nothing waits for you' : ''}.`,
    })
  },
}
