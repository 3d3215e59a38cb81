/** What a person chooses to be told of, and by which channels. */

import type { AuditLog } from '../audit/audit-log.ts'
import type { Database } from '../database/database.ts'
import { GatewayError } from '../shared/errors.ts'
import { groupOf, matchesKind, PERSONAL_KINDS } from './kinds.ts'
import type { Notify } from './notifications.ts'
import { prefer, preferencesOf } from './preferences.ts'
import { type ChannelFacts, isWanted } from './recipients.ts'

export interface Choices {
  /** The channels that reach people. */
  readonly channels: readonly string[]
  readonly kinds: readonly {
    readonly kind: string
    readonly meaning: string
    /** Those of the channels that tell of it. */
    readonly by: readonly string[]
  }[]
}

export interface OwnChoices {
  of(user: string): Promise<Choices>
  /**
   * `kind`: one, a group (`request.*`) or `*`; `channel`: one or `*`. Audited. Throws `BAD_REQUEST` for what there is not.
   */
  choose(user: string, choice: Choice): Promise<void>
}

export interface Choice {
  readonly kind: string
  readonly channel: string
  readonly wanted: boolean
}

export function createOwnChoices(parts: {
  readonly database: Database
  readonly audit: Pick<AuditLog, 'change'>
  readonly notify: Notify
  readonly channels: readonly Pick<ChannelFacts, 'name' | 'people'>[]
}): OwnChoices {
  const { database, audit, notify } = parts
  const channels = parts.channels.filter(({ people }) => people).map(({ name }) => name)
  const kinds = Object.keys(PERSONAL_KINDS)

  return {
    async of(user) {
      const preferences = await preferencesOf(database, [user])
      return {
        channels,
        kinds: Object.entries(PERSONAL_KINDS).map(([kind, meaning]) => ({
          ...{ kind, meaning },
          by: channels.filter(channel => isWanted(user, kind, channel, preferences)),
        })),
      }
    },

    async choose(user, { kind, channel, wanted }) {
      if (!kinds.some(known => matchesKind(kind, known))) {
        const words = ['all', ...new Set(kinds.map(groupOf)), ...kinds].join(', ')
        throw new GatewayError('BAD_REQUEST', `There is no such kind of notification. There are: ${words}.`)
      }
      if (channel !== '*' && !channels.includes(channel)) {
        const words = channels.length === 0 ? 'None reaches people here.' : `There are: ${channels.join(', ')}.`
        throw new GatewayError('BAD_REQUEST', `There is no such channel. ${words}`)
      }
      const data = { kind, channel, wanted }
      const words = `${kind === '*' ? 'anything' : kind}${channel === '*' ? '' : ` by ${channel}`} any more`
      await audit.change(
        async on => {
          // By the channels that tell of it now: whoever has somebody's login does not keep from them what is done with it.
          if (!wanted && kinds.some(one => one.startsWith('login.') && matchesKind(kind, one)))
            await notify(
              { kind: 'login.notifications-off', subject: `You chose not to be told of ${words}`, to: [{ user }] },
              on,
            )
          await prefer(on, { user, ...data })
        },
        () => ({ kind: 'notification.preference-changed', actor: user, data }),
      )
    },
  }
}
