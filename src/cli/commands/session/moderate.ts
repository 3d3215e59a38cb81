/** `sallyport session list --waiting-for-moderator` and `session end`: what those do who may watch sessions of others. */

import type { Command } from 'commander'
import type { ModeratedSessionDocument } from '../../../api/routes/moderated-sessions.ts'
import type { Context } from '../../context.ts'
import { formatDuration, relativeTime } from '../../terminal/time.ts'
import { isSessionId, pathOf } from './path.ts'

const MODERATED = '/v1/own/moderated-sessions'

/** Throws for what is no session's id. */
export function moderatedPathOf(id: string): string {
  if (!isSessionId(id)) pathOf(id)
  return `${MODERATED}/${id}`
}

export async function listModerated(context: Context): Promise<void> {
  const { terminal } = context
  const now = context.now()
  const query = { state: 'waiting' }
  const answer = await (await context.client()).get<{ sessions: ModeratedSessionDocument[] }>(MODERATED, query)
  if (context.json) return terminal.json(answer)
  terminal.table(
    [
      { title: 'SESSION', value: session => session.id },
      { title: 'USER', value: session => session.user, shrinkTo: 8 },
      { title: 'ACCOUNT', value: session => `${session.account}@${session.target}`, shrinkTo: 12 },
      { title: 'PROTOCOL', value: session => session.protocol, optional: 2 },
      { title: 'FROM', value: session => session.source, optional: 1, shrinkTo: 9 },
      { title: 'SINCE', value: session => relativeTime(session.since, now), align: 'right' },
      {
        title: 'WAITS',
        value: session => formatDuration(Math.max(0, Date.parse(session.waitsUntil) - now)),
        align: 'right',
      },
    ],
    answer.sessions,
    'No session waits for you.',
  )
  if (answer.sessions.length > 0) terminal.note('Watch one, and it begins: sallyport session follow SESSION')
}

/** What kind of session it is may not be known to whoever calls: both answers are tried by `follow` alone. */
export function addEnd(session: Command, context: Context): void {
  const { terminal } = context
  session
    .command('end')
    .description('end a session of which you may be the moderator, or one that waits for you')
    .argument('<session>')
    .action(async (id: string) => {
      const path = `${moderatedPathOf(id)}/end`
      const ended = await (await context.client()).send<ModeratedSessionDocument>('POST', path)
      if (context.json) terminal.json(ended)
      else terminal.line(`Told ${ended.user}'s session on ${ended.account}@${ended.target} to end.`)
    })
}
