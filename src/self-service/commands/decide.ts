import type { OwnRequests } from '../../access-requests/own-requests.ts'
import { requestText } from '../../access-requests/request-text.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import type { Secret } from '../../shared/secret.ts'
import { askCode } from '../ask-code.ts'
import { type Call, type Command, CommandError } from '../command.ts'
import { toPerson } from '../to-person.ts'
import { forMsOf } from './checkout.ts'

export const approve: Command = {
  name: 'approve',
  summary: 'approve what somebody asks for, or less of it',
  usage: '<id> [--for 1h] [--reason TEXT]',
  words: { least: 1, most: 1 },
  options: { for: { type: 'string' }, reason: { type: 'string' } },
  run(call) {
    const less = { forMs: forMsOf(call.options.for) }
    const reason = call.options.reason as string | undefined
    return decide(call, (own, id, code) => own.approve(id, { less, reason }, code))
  },
}

export const deny: Command = {
  name: 'deny',
  summary: 'deny what somebody asks for',
  usage: '<id> --reason TEXT',
  words: { least: 1, most: 1 },
  options: { reason: { type: 'string' } },
  run: call => decide(call, (own, id, code) => own.deny(id, call.options.reason as string | undefined, code)),
}

async function decide(
  call: Call,
  decision: (own: OwnRequests, id: string, code?: Secret) => ReturnType<OwnRequests['approve']>,
) {
  const { parts, login, words, out } = call
  const [id] = words
  const own = parts.requestsOf(login)
  let answer = await decision(own, id!).catch(toPerson)
  if (answer.is === 'needs-code') {
    const code = await askCode(call, 'nothing was decided')
    answer = await decision(own, id!, code).catch(toPerson)
  }
  if (answer.is === 'needs-code') throw new CommandError(EXIT.notPermitted, 'It needs a one-time code.')
  const { request } = answer
  await out.show(request, () => [requestText(request)])
  return EXIT.ok
}
