/** What administrators and people are told of by themselves: what the audit log says, and what should have been rotated and was not. */

import type { Config } from '../config/config.ts'
import { createAuditFollower } from '../notifications/alerts/follow-audit-log.ts'
import type { Alert } from '../notifications/alerts/of-event.ts'
import { createTellAlerts } from '../notifications/alerts/tell-alerts.ts'
import { tidy } from '../notifications/tidy.ts'
import { type AccountStatuses, createAccountStatuses } from '../rotation/status.ts'
import { formatAccountAddress } from '../shared/names.ts'
import { isoTime } from '../shared/text/iso-time.ts'
import type { GatewayParts } from './parts.ts'

export interface NotificationWatch {
  /** Reads the audit log on; it happens by itself, too. */
  look(): Promise<void>
  /** Overdue rotations, and what is to be kept no longer; the same. */
  round(): Promise<void>
}

const LOOK_EVERY_MS = 2000
const ROUND_EVERY_MS = 10 * 60_000
const MOST_OVERDUE = 500

/** Until what is on `started` is closed. Where no channel is configured, there is nothing to watch. */
export async function watchNotifications(
  parts: GatewayParts,
  { keepMs }: Pick<Config['notifications'], 'keepMs'>,
  started: AsyncDisposableStack,
): Promise<NotificationWatch> {
  const { database, storeClock: clock, notify, channels, schedule, rotationPolicies: policies, targets, log } = parts
  const tell = createTellAlerts({ notify, clock })
  const follower = createAuditFollower({ database, tell, clock })
  const statuses = createAccountStatuses({ database, clock, policies, targets })
  let running: Promise<void> = Promise.resolve()

  /** One after the other; what fails comes again. */
  const next = (work: () => Promise<void>, words: string) => {
    running = running.then(work).catch(error => log.warn({ err: error }, words))
    return running
  }
  const look = () => next(() => follower.look(), 'alerts of the audit log could not be told; trying again')
  const round = () =>
    next(async () => {
      const alerts = await overdueAlerts(statuses)
      await database.transaction().execute(on => tell(alerts, on))
      await tidy({ database, schedule, clock, keepMs })
    }, 'overdue rotations could not be told; trying again')

  if (channels.length > 0) {
    // From here on nothing is missed.
    await look()
    void round()
    const timers = [setInterval(look, LOOK_EVERY_MS).unref(), setInterval(round, ROUND_EVERY_MS).unref()]
    started.defer(async () => {
      for (const timer of timers) clearInterval(timer)
      await running
    })
  }
  return { look, round }
}

async function overdueAlerts(statuses: Pick<AccountStatuses, 'list'>): Promise<Alert[]> {
  const overdue = await statuses.list({ conditions: ['overdue'], limit: MOST_OVERDUE })
  return overdue.map(({ account, target, dueAt, policy, words }) => {
    const address = formatAccountAddress({ account, target })
    const path = `/v1/credentials/${encodeURIComponent(target)}/${encodeURIComponent(account)}`
    const due = dueAt === undefined ? [] : [`Due since: ${isoTime(dueAt)}`]
    return {
      ...{ kind: 'alert.rotation-overdue', key: address, to: ['administrators'] },
      subject: `The rotation of ${address} is overdue`,
      lines: [
        ...due,
        ...(policy === undefined ? [] : [`Policy: ${policy}`]),
        ...(words === '' ? [] : [`Last: ${words}`]),
      ],
      link: { path, command: `sallyport credential status ${address}` },
    }
  })
}
