/** Asks whoever knows of tickets for the state of one, by a signed POST: bounded in time and size, with no redirect followed, and to no address that the gateway must not ask. */

import { z } from 'zod'
import type { TicketCheckSettings } from '../config/outside-facts.ts'
import { dialAddress } from '../connections/dial-address.ts'
import type { User } from '../identity/user.ts'
import type { Clock } from '../shared/clock.ts'
import { type WebhookSecrets, webhookHeaders } from '../shared/cryptography/standard-webhooks.ts'
import { GatewayError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { post, StatusError } from '../shared/network/http-request.ts'
import { isoTime } from '../shared/text/iso-time.ts'
import type { TicketFact } from './review/evaluate.ts'
import { TICKET_STATE } from './review/review-rule.ts'

const MAX_ANSWER_BYTES = 64 * 1024
const MOST_AT_ONCE = 16
/** So that nobody takes all the room. */
const MOST_OF_ONE = 4

/** What is read of an answer; what else stands in it is left alone. */
const answerSchema = z.object({
  /** Which question it answers: a cache, or a receiver that mixes up two questions, says another one, or none. */
  id: z.string().optional(),
  ticket: z.string().optional(),
  state: z.string().regex(TICKET_STATE),
  /** A user's name or e-mail address. */
  assignee: z.string().max(320).nullish(),
})

interface Parts {
  readonly settings: TicketCheckSettings
  readonly secret: WebhookSecrets
  readonly ca: string | undefined
  readonly clock: Clock
}

/** Never rejects: where it cannot be known, it says why. Nothing that was answered is in it but a state. */
export type TicketCheck = (ticket: string, user: Pick<User, 'name' | 'email'>) => Promise<TicketFact>

export function createTicketCheck({ settings, secret, ca, clock }: Parts): TicketCheck {
  const { url: text, allowLocal, timeout: timeoutMs, echo } = settings
  const url = new URL(text)
  const dial = (host: string, port: number, signal: AbortSignal) =>
    dialAddress({ name: 'ticketCheck', host, port, allowLocal }, signal)
  const asking: string[] = []

  async function ask(ticket: string, { name, email }: Pick<User, 'name' | 'email'>): Promise<TicketFact> {
    const now = clock.now()
    const id = newId('evt', now)
    const document = {
      id,
      type: 'ticket.check',
      timestamp: isoTime(now),
      data: { ticket, user: name, email: email ?? null },
    }
    const body = Buffer.from(JSON.stringify(document), 'utf8')
    const headers = webhookHeaders(id, body, now, secret)
    const answer = await post({ url, headers, body, ca, timeoutMs, dial, maxAnswerBytes: MAX_ANSWER_BYTES })
    const read = answerSchema.safeParse(jsonOf(answer))
    if (!read.success) return unknown('the answer is not of the form { "id": "evt_…", "ticket": "…", "state": "open" }')
    const { state, assignee } = read.data
    const asked = { id, ticket }
    for (const name of ['id', 'ticket'] as const) {
      const said = read.data[name]
      if (said === undefined && echo) return unknown(`the answer does not say which ${name} of the question it is for`)
      if (said !== undefined && said !== asked[name]) return unknown(`the answer has the ${name} of another question`)
    }
    const whose = assignee?.trim().toLowerCase()
    const isRequesters = whose !== undefined && (whose === name.toLowerCase() || whose === email?.trim().toLowerCase())
    return { is: 'known', state, isRequesters }
  }

  return async (ticket, user) => {
    if (asking.length >= MOST_AT_ONCE || asking.filter(one => one === user.name).length >= MOST_OF_ONE)
      return unknown('too many are asked for at once')
    asking.push(user.name)
    try {
      return await ask(ticket, user)
    } catch (error) {
      return unknown(wordsFor(error))
    } finally {
      asking.splice(asking.indexOf(user.name), 1)
    }
  }
}

function jsonOf(answer: Buffer): unknown {
  try {
    return JSON.parse(answer.toString('utf8'))
  } catch {
    return undefined
  }
}

function wordsFor(error: unknown): string {
  if (error instanceof GatewayError && error.code === 'TARGET_ADDRESS_REFUSED')
    return 'the address of ticketCheck is asked with allowLocal: true alone'
  if (error instanceof StatusError) {
    const { status } = error
    return status >= 300 && status < 400 ? `it redirects (${status}), which is not followed` : `it answered ${status}`
  }
  const { code, message } = error as { code?: string; message: string }
  if (message.startsWith('no answer within') || message === 'the answer is too long') return message
  return `it could not be reached${code === undefined ? '' : ` (${code})`}`
}

function unknown(why: string): TicketFact {
  return { is: 'unknown', why: `the state of the ticket: ${why}` }
}
