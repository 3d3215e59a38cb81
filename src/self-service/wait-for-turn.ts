/** Waits in the queue for an account: one calm line, until it is theirs or they leave. */

import { askAgainMs } from '../check-out/how-soon.ts'
import type { OwnCheckOuts, TakeAnswer } from '../check-out/own-check-outs.ts'
import { onceAborted } from '../session/session-end.ts'
import { EXIT } from '../shared/exit-codes.ts'
import type { AccountAddress } from '../shared/names.ts'
import { type Call, CommandError } from './command.ts'
import { createKeyReader } from './menu/keys.ts'

/** `again` asks whether it can be had now. Throws CommandError where they leave the queue. */
export async function waitForTurn(
  { conversation, out }: Pick<Call, 'conversation' | 'out'>,
  own: OwnCheckOuts,
  address: AccountAddress,
  first: Extract<TakeAnswer, { is: 'not-now' }>,
  again: () => Promise<TakeAnswer>,
): Promise<TakeAnswer> {
  const left = new AbortController()
  onceAborted(conversation.gone, () => left.abort())
  const keys = createKeyReader()
  conversation.listen({
    typed(bytes) {
      if (keys.push(bytes).some(({ kind }) => kind === 'interrupt')) left.abort()
    },
  })
  let answer: TakeAnswer = first
  let said: string | undefined
  try {
    while (answer.is === 'not-now' && !left.signal.aborted) {
      const line = `${answer.words} You are number ${answer.place} of those who wait; Ctrl-C leaves.`
      if (line !== said) await out.note(line)
      said = line
      await pause(askAgainMs(answer.place), left.signal)
      if (!left.signal.aborted) answer = await again()
    }
  } finally {
    conversation.listen(undefined)
    if (answer.is !== 'taken') await own.leaveQueue(address)
  }
  if (answer.is !== 'not-now') return answer
  throw new CommandError(EXIT.no, 'You have left the queue.')
}

function pause(ms: number, left: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms)
    onceAborted(left, () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
