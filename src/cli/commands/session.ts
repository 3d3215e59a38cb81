/** `sallyport session`: who was where, and what they did. */

import type { Session } from '../../api/routes/sessions.ts'
import { protocolNames } from '../../protocols/registered.ts'
import type { AddCommands } from '../context.ts'
import { parseTime } from '../terminal/time.ts'
import { addExport } from './session/export.ts'
import { addFollow } from './session/follow.ts'
import { addEnd, listModerated } from './session/moderate.ts'
import { pathOf, pathOfOrLast } from './session/path.ts'
import { addReplay } from './session/replay.ts'
import { sessionColumns, sessionFacts } from './session/table.ts'
import { addVerify } from './session/verify.ts'

interface ListOptions {
  live?: boolean
  ended?: boolean
  waitingForModerator?: boolean
  user?: string
  target?: string
  protocol?: string
  since?: string
  until?: string
  before?: string
  limit: string
}

export const addSessions: AddCommands = (program, context) => {
  const { terminal } = context
  const session = program.command('session').helpCommand(false).description('who was where, and what they did')

  session
    .command('list')
    .description('sessions, newest first')
    .option('--live', 'only those that are open')
    .option('--ended', 'only those that have ended')
    .option('--waiting-for-moderator', 'those that wait for somebody who watches them, and you may')
    .option('--user <user>', 'only of this user')
    .option('--target <target>', 'only to this target')
    .option(
      '--protocol <protocol>',
      protocolNames()
        .map(name => `only ${name}`)
        .join(', or '),
    )
    .option('--since <time>', 'started since: 2h, 2026-11-21, 2026-11-21T18:00')
    .option('--until <time>', 'started before this time')
    .option('--before <id>', 'older than this session: the next page')
    .option('--limit <count>', 'how many at most, up to 1000', '50')
    .action(async ({ live, ended, since, until, waitingForModerator, ...filters }: ListOptions) => {
      if (waitingForModerator) return listModerated(context)
      const now = context.now()
      const answer = await (await context.client()).get<{ sessions: Session[] }>('/v1/sessions', {
        ...filters,
        state: live ? 'live' : ended ? 'ended' : undefined,
        since: since && parseTime(since, '--since', now),
        until: until && parseTime(until, '--until', now),
      })
      if (context.json) return terminal.json(answer)
      const { sessions } = answer
      terminal.table(sessionColumns(now, terminal.style), sessions, 'No sessions match.')
      if (sessions.length === Number(filters.limit)) terminal.note(`Older ones: --before ${sessions.at(-1)!.id}`)
    })

  session
    .command('show')
    .description('one session')
    .argument('<session>', 'its id, or last')
    .action(async (id: string) => {
      const client = await context.client()
      const session = await client.get<Session>(await pathOfOrLast(id, client))
      if (context.json) terminal.json(session)
      else terminal.facts(sessionFacts(session, context.now()))
    })

  addReplay(session, context)
  addFollow(session, context)
  addEnd(session, context)
  addExport(session, context)
  addVerify(session, context)

  session
    .command('kill')
    .description('end a live session at once, wherever it runs')
    .argument('<session>')
    .action(async (id: string) => {
      const session = await (await context.client()).send<Session>('POST', `${pathOf(id)}/kill`)
      if (context.json) terminal.json(session)
      else terminal.line(`Told ${session.user}'s session on ${session.account}@${session.target} to end.`)
    })
}
