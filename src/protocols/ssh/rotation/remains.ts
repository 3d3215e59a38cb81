/** Asks a host, by a login of the account, what still runs there of sessions that are over. */

import type { LoginAtTarget } from '../../../session/login-at-target.ts'
import type { Asked, Remains } from '../../../session/remains.ts'
import { GatewayError } from '../../../shared/errors.ts'
import { LIST_PROCESSES, readProcessList, remainsIn } from '../target-side/process-list.ts'
import { Conversation, endInWords } from './conversation.ts'
import { logIn } from './log-in.ts'

const MOST_BYTES = 4 * 1024 * 1024

export async function remainsAtHost(login: LoginAtTarget, asked: Asked, signal: AbortSignal): Promise<Remains[]> {
  const askedAt = performance.now()
  const host = await logIn(login, signal)
  if ('result' in host) throw new GatewayError('TARGET_LOGIN_FAILED', host.words)
  try {
    const conversation = await Conversation.start(host, LIST_PROCESSES, signal, { mostBytes: MOST_BYTES })
    conversation.endInput()
    const end = await conversation.ended()
    const list = end.kind === 'exited' ? readProcessList(conversation.said) : undefined
    if (list === undefined) {
      const words = `the target does not list its processes to this account (${endInWords(end)})`
      return asked.past.map(() => ({ is: 'unknown', words, lasting: true }))
    }
    // The login took a while: all has become older.
    const tookMs = performance.now() - askedAt
    const remainsOf = remainsIn(list)
    const open = asked.open.map(({ startedAgoMs }) => startedAgoMs + tookMs)
    return asked.past.map(({ startedAgoMs, endedAgoMs, ...past }) =>
      remainsOf({ ...past, startedAgoMs: startedAgoMs + tookMs, endedAgoMs: endedAgoMs + tookMs }, open),
    )
  } finally {
    host.close()
  }
}
