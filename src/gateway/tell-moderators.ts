/** Those who may watch a session that waits for a moderator are told of it, and nobody else. */

import { demandsMetBy } from '../access-requests/may-moderate.ts'
import type { Documents } from '../database/documents.ts'
import type { User } from '../identity/user.ts'
import type { Notify } from '../notifications/notifications.ts'
import type { ModeratedSession } from '../session/records/moderated-sessions.ts'
import type { Log } from '../shared/log.ts'
import { formatAccountAddress } from '../shared/names.ts'
import { isoTime } from '../shared/text/iso-time.ts'

const PAGE = 500
/** A session must not write to a whole company. */
const MOST_TOLD = 100

interface Parts {
  readonly users: Pick<Documents<User>, 'get' | 'pages'>
  readonly notify: Notify
  /** Where none is configured, nobody is told. */
  readonly channels: readonly unknown[]
  readonly log: Log
}

/** What it gives never rejects. */
export function tellModerators({ users, notify, channels, log }: Parts): (session: ModeratedSession) => Promise<void> {
  async function tell({ id, protocol, demands, waits_until_ms, ...session }: ModeratedSession): Promise<void> {
    const user = await users.get(session.user)
    if (user === undefined) return
    const to: { user: string }[] = []
    for await (const some of users.pages(PAGE)) {
      for (const one of some) if (demandsMetBy(one, user, demands).length > 0) to.push({ user: one.name })
      if (to.length >= MOST_TOLD) break
    }
    if (to.length === 0) return
    await notify({
      kind: 'session.moderator-wanted',
      subject: `${session.user} waits for a moderator on ${formatAccountAddress(session)}`,
      lines: [`By ${protocol}, from ${session.source}`, `Waits until: ${isoTime(waits_until_ms)}`],
      link: { path: `/v1/own/moderated-sessions/${id}`, command: `sallyport session follow ${id}` },
      to: to.slice(0, MOST_TOLD),
    })
  }

  return async session => {
    if (channels.length === 0) return
    await tell(session).catch(error =>
      log.warn({ err: error, session: session.id }, 'the moderators of a session were not told that it waits'),
    )
  }
}
