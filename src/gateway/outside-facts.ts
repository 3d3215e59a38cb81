/** What review rules ask others for: calendars of who is on call, told of where they cannot be read; and whoever knows of tickets. */

import { readFile } from 'node:fs/promises'
import type { Logger } from 'pino'
import { type Calendars, createCalendars } from '../access-requests/on-call/calendars.ts'
import { createTicketCheck, type TicketCheck } from '../access-requests/ticket-check.ts'
import type { AuditAppender } from '../audit/event.ts'
import type { Config } from '../config/config.ts'
import { readTrusted } from '../config/tls-files.ts'
import type { Clock } from '../shared/clock.ts'
import { parseWebhookSecrets, WEBHOOK_SECRET_WORDS } from '../shared/cryptography/standard-webhooks.ts'
import { GatewayError, messageOf } from '../shared/errors.ts'
import type { Metrics } from '../shared/metrics.ts'

interface Parts {
  readonly config: Pick<Config, 'calendars' | 'ticketCheck'>
  readonly audit: Pick<AuditAppender, 'append'>
  readonly metrics: Pick<Metrics, 'calendarReads'>
  readonly log: Pick<Logger, 'warn' | 'error' | 'info'>
  readonly clock: Clock
}

export interface OutsideFacts {
  readonly calendars: Calendars
  readonly checkTicket: TicketCheck | undefined
}

/** Throws `CONFIG_INVALID` where a file of `ticketCheck` cannot be used. A calendar that cannot be read stops nothing. */
export async function openOutsideFacts({ config, audit, metrics, log, clock }: Parts): Promise<OutsideFacts> {
  const checkTicket = await openTicketCheck(config.ticketCheck, clock)
  const calendars = createCalendars({
    calendars: config.calendars,
    clock,
    told(calendar, failure, changed) {
      metrics.calendarReads.inc({ calendar, result: failure === undefined ? 'read' : 'failed' })
      if (!changed) return
      if (failure === undefined) log.info({ calendar }, 'the calendar was read')
      else
        log.warn(
          { calendar, why: failure },
          'the calendar cannot be read: by it nobody is on call once its copy is too old',
        )
      const event =
        failure === undefined
          ? ({ kind: 'calendar.readable', actor: 'gateway', data: { calendar } } as const)
          : ({ kind: 'calendar.unreadable', actor: 'gateway', data: { calendar, why: failure } } as const)
      audit.append(event).catch(error => log.error({ err: error, calendar }, 'a change of a calendar was not audited'))
    },
  })
  return { calendars, checkTicket }
}

async function openTicketCheck(settings: Config['ticketCheck'], clock: Clock): Promise<TicketCheck | undefined> {
  if (settings === undefined) return undefined
  const { secretFile, caFile } = settings
  const text = await readFile(secretFile, 'utf8').catch(cause => {
    throw invalid(`ticketCheck.secretFile cannot be read: ${messageOf(cause)}`, cause)
  })
  const secret = parseWebhookSecrets(text)
  if (secret === undefined) throw invalid(`ticketCheck.secretFile is not ${WEBHOOK_SECRET_WORDS}.`)
  const ca = caFile === undefined ? undefined : await readTrusted(caFile)
  return createTicketCheck({ settings, secret, ca, clock })
}

function invalid(message: string, cause?: unknown): GatewayError {
  return new GatewayError('CONFIG_INVALID', message, { cause })
}
