/** Enter on an account that is given on request alone: asks for it, in the words that its person types. */

import type { OwnRequests } from '../../access-requests/own-requests.ts'
import { MOST_LISTED } from '../../access-requests/request.ts'
import { wantedText } from '../../access-requests/request-document.ts'
import { requestText } from '../../access-requests/request-text.ts'
import { GatewayError } from '../../shared/errors.ts'
import { printable } from '../../shared/text/printable.ts'
import type { Entry } from '../reachable-first.ts'

/** As many as one may have open. */
const PENDING = { state: 'pending', limit: MOST_LISTED } as const

/** Gives what came of it. `ask`: undefined, or nothing, where they give up. Throws what broke. */
export async function requestEntry(
  own: Pick<OwnRequests, 'ask' | 'list'>,
  { address, reachable: { account, target, onRequest } }: Entry,
  ask: (question: string) => Promise<string | undefined>,
): Promise<string> {
  try {
    const waiting = (await own.list('mine', PENDING)).find(one => wantedText(one) === address)
    if (waiting !== undefined) return printable(requestText(waiting))
    const { approvedBy, ticket: pattern } = onRequest!
    const reason = await ask(`${address} is given on request, approved by ${approvedBy}. Reason: `)
    if (!reason) return `${address} was not asked for.`
    const ticket = pattern === undefined ? undefined : await ask(`Ticket, of the form ${printable(pattern)}: `)
    if (pattern !== undefined && !ticket) return `${address} was not asked for.`
    const { request } = await own.ask({ on: { target }, account, reason, ticket })
    return printable(requestText(request))
  } catch (error) {
    if (error instanceof GatewayError) return printable(error.message)
    throw error
  }
}
