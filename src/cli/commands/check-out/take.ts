/** Checks an account out, and waits for it in the queue where that is wished. */

import { setTimeout as pause } from 'node:timers/promises'
import type { CheckOutDocument } from '../../../check-out/check-out.ts'
import { askAgainMs } from '../../../check-out/how-soon.ts'
import { EXIT } from '../../../shared/exit-codes.ts'
import type { AccountAddress } from '../../../shared/names.ts'
import type { Client } from '../../client.ts'
import type { Context } from '../../context.ts'
import { CliError } from '../../exit.ts'
import { type CheckOutOptions, ownPath } from './own-path.ts'

type Answer = CheckOutDocument | { readonly words: string; readonly place: number }

export async function takeWhenFree(
  { terminal }: Pick<Context, 'terminal'>,
  client: Client,
  address: AccountAddress,
  { for: duration, reason, ticket, shared, wait, reveal, toAge }: CheckOutOptions,
): Promise<CheckOutDocument> {
  const path = ownPath(address)
  const way = reveal || toAge !== undefined ? 'reveal' : 'inject'
  const body = { for: duration, reason, ticket, way, shared: shared === true, wait: wait === true }
  const left = new AbortController()
  const leave = () => left.abort()
  if (wait) terminal.signals.on('SIGINT', leave)
  try {
    let said: string | undefined
    for (;;) {
      const answer = await client.send<Answer>('POST', path, body)
      if ('id' in answer) return answer
      const line = `${answer.words} You are number ${answer.place} of those who wait; Ctrl-C leaves.`
      if (line !== said) terminal.note(line)
      said = line
      await pause(askAgainMs(answer.place), undefined, { signal: left.signal }).catch(() => undefined)
      if (!left.signal.aborted) continue
      await client.send('DELETE', `${path}/waiting`)
      throw new CliError(EXIT.no, 'You have left the queue.')
    }
  } finally {
    terminal.signals.off('SIGINT', leave)
  }
}
