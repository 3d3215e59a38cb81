import { sessionDocument } from '../../session/session-document.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import { type Command, CommandError } from '../command.ts'

const MOST = 1_000

export const sessions: Command = {
  name: 'sessions',
  summary: 'your own sessions, newest first',
  usage: '[--live] [--limit N]',
  words: { least: 0, most: 0 },
  options: { live: { type: 'boolean' }, limit: { type: 'string' } },
  async run({ parts, person, options, out }) {
    const limit = limitOf(options.limit)
    const rows = await parts.sessions.list({ user: person.user, limit, ...(options.live ? { state: 'live' } : {}) })
    await out.show({ sessions: rows.map(sessionDocument) }, () =>
      out.table(
        [
          { title: 'SESSION', value: row => row.id },
          { title: 'ACCOUNT', value: row => formatAccountAddress(row), shrinkTo: 12 },
          { title: 'PROTOCOL', value: row => row.protocol, optional: 2 },
          { title: 'STARTED', value: row => new Date(row.started_at).toISOString() },
          { title: 'STATE', value: row => row.end_reason ?? row.state },
          { title: 'FROM', value: row => row.source, optional: 1 },
        ],
        rows,
        options.live ? 'No session of yours is open.' : 'You had no session yet.',
      ),
    )
    return EXIT.ok
  },
}

function limitOf(text: string | boolean | undefined): number {
  if (text === undefined) return 20
  const limit = typeof text === 'string' && /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (limit < 1 || limit > MOST) throw new CommandError(EXIT.usage, `--limit is a number from 1 to ${MOST}.`)
  return limit
}
