import { requestColumns } from '../../access-requests/request-text.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import type { Command } from '../command.ts'
import { toPerson } from '../to-person.ts'

export const requests: Command = {
  name: 'requests',
  summary: 'what you have asked for, and what waits for your decision',
  usage: '',
  words: { least: 0, most: 0 },
  async run({ parts, login, out }) {
    const own = parts.requestsOf(login)
    const [mine, toDecide] = await Promise.all([own.list('mine'), own.list('to-decide')]).catch(toPerson)
    await out.show({ mine, toDecide }, () => [
      ...(toDecide.length === 0 ? [] : ['Waiting for you:', ...out.table(requestColumns(true), toDecide, ''), '']),
      ...out.table(requestColumns(false), mine, 'You have asked for nothing.'),
    ])
    return EXIT.ok
  },
}
