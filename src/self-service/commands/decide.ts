import type { OwnRequests } from '../../access-requests/own-requests.ts'
import { readStart } from '../../access-requests/read-wish.ts'
import { requestText } from '../../access-requests/request-text.ts'
import type { OwnProposals, ProposalAnswer } from '../../proposals/own-proposals.ts'
import { proposalText } from '../../proposals/proposal-document.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import type { Secret } from '../../shared/secret.ts'
import { askCode } from '../ask-code.ts'
import { type Call, type Command, CommandError } from '../command.ts'
import { toPerson } from '../to-person.ts'
import { forMsOf } from './checkout.ts'

interface ApproveOptions {
  readonly for?: string
  readonly at?: string
  readonly channel?: readonly string[]
  readonly reason?: string
}

export const approve: Command = {
  name: 'approve',
  summary: 'approve what somebody asks for, or less of it, or a change of the rules',
  usage: '<id> [--for 1h] [--at TIME] [--channel C] [--reason TEXT]',
  words: { least: 1, most: 1 },
  options: {
    for: { type: 'string' },
    at: { type: 'string' },
    channel: { type: 'string', multiple: true },
    reason: { type: 'string' },
  },
  run(call) {
    const { for: length, at, channel, reason } = call.options as ApproveOptions
    if (isProposal(call)) {
      if ([length, at, channel].some(less => less !== undefined))
        throw new CommandError(EXIT.usage, 'A change is approved whole, without --for, --at and --channel.')
      return decideProposal(call, (own, id, code) => own.approve(id, reason, code))
    }
    const less = {
      forMs: forMsOf(length),
      startsAt: at === undefined ? undefined : startOf(at, call.parts.clock.now()),
      channels: channel,
    }
    return decide(call, (own, id, code) => own.approve(id, { less, reason }, code))
  },
}

export const deny: Command = {
  name: 'deny',
  summary: 'deny what somebody asks for, or a change of the rules',
  usage: '<id> --reason TEXT',
  words: { least: 1, most: 1 },
  options: { reason: { type: 'string' } },
  run(call) {
    const reason = call.options.reason as string | undefined
    return isProposal(call)
      ? decideProposal(call, (own, id, code) => own.deny(id, reason, code))
      : decide(call, (own, id, code) => own.deny(id, reason, code))
  },
}

/** Times are UTC, as in all that is answered. */
function startOf(at: string, now: number): number {
  try {
    return readStart(at, { now })
  } catch (error) {
    return toPerson(error)
  }
}

/** An id tells what it is of. */
function isProposal({ words }: Call): boolean {
  return words[0]!.startsWith('prp_')
}

async function decideProposal(
  call: Call,
  decision: (own: OwnProposals, id: string, code?: Secret) => Promise<ProposalAnswer>,
) {
  const { parts, login, words, out } = call
  const { proposal } = await withCode(call, code => decision(parts.proposalsOf(login), words[0]!, code))
  await out.show(proposal, () => [proposalText(proposal)])
  return EXIT.ok
}

async function decide(
  call: Call,
  decision: (own: OwnRequests, id: string, code?: Secret) => ReturnType<OwnRequests['approve']>,
) {
  const { parts, login, words, out } = call
  const { request } = await withCode(call, code => decision(parts.requestsOf(login), words[0]!, code))
  await out.show(request, () => [requestText(request)])
  return EXIT.ok
}

/** Once more with a one-time code, where it needs one. */
async function withCode<Answer extends { readonly is: string }>(
  call: Call,
  decision: (code?: Secret) => Promise<Answer>,
): Promise<Extract<Answer, { is: 'decided' }>> {
  let answer = await decision().catch(toPerson)
  if (answer.is === 'needs-code') {
    const code = await askCode(call, 'nothing was decided')
    answer = await decision(code).catch(toPerson)
  }
  if (answer.is !== 'decided') throw new CommandError(EXIT.notPermitted, 'It needs a one-time code.')
  return answer as Extract<Answer, { is: 'decided' }>
}
