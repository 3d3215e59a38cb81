/**
 * The second step of the pipeline where a role wants more than factors: it demands a reason, or gives the access on request alone. Whoever brings
 * a reason, or can be asked for one, goes on in the same connection; everybody else is refused at once, as by the first decision.
 */

import type { Denial } from '../../policy/authorize.ts'
import { waitAdvice } from '../../policy/request-command.ts'
import type { DemandedOfSession, GivenWords } from '../../policy/session-conditions.ts'
import { checkWords } from '../../policy/wish-words.ts'
import type { Clock } from '../../shared/clock.ts'
import { durationText } from '../../shared/durations.ts'
import { type ErrorCode, GatewayError, isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import { isoMinute } from '../../shared/text/iso-time.ts'
import { printable } from '../../shared/text/printable.ts'
import type { AskedAccess, AskForAccess, LeftRequest } from '../asked-access.ts'
import { type Brought, KEEPS_REQUEST, type LoginClient } from '../protocol.ts'
import type { WaitingLogins } from '../waiting-logins.ts'
import type { Authenticated } from './authenticated.ts'
import { type Authorized, type AuthorizeParts, authorizeSession } from './authorize-session.ts'

export interface AskingParts extends AuthorizeParts {
  readonly waitingLogins: WaitingLogins
  readonly askForAccess: AskForAccess
  readonly clock: Clock
}

/** So often an answer may be wrong. */
const MOST_TRIES = 3
/** A login that asks, waits, and says more. */
const MOST_ROUNDS = 3

type Offered = Denial['onRequest'][number]

/** Resolves once the last decision is in the audit log. */
export async function authorizeWithWords(
  parts: AskingParts,
  client: LoginClient,
  session: string,
  who: Authenticated,
): Promise<Authorized | Refusal> {
  const refusedAt = parts.askForAccess.now()
  const first = await authorizeSession(parts, client, session, { ...who, words: {} })
  if (!isRefusal(first) || (first.needs === undefined && first.onRequest.length === 0)) return first
  const askedBefore = await tellWhatWasAsked(parts, client, session, who, first)
  const brought = await client.brought()
  const says = brought.attended || brought.reason !== undefined || brought.ticket !== undefined
  if (!says && !(askedBefore && brought.forwardsOnly)) {
    return askedBefore ? { ...first, advice: waitAdvice(first.onRequest[0]!) } : first
  }
  const { user } = who.principal
  return parts.waitingLogins.wait(client, user, signal => {
    const asker: Asker = { ...parts, client, session, brought, askedBefore, signal, words: {}, refusedAt }
    return goOn(asker, who, first)
  })
}

/** Whether what they want waits for its decision. A connection that only forwards can be told nothing once it has said that it is one. */
async function tellWhatWasAsked(
  { askForAccess }: AskingParts,
  client: LoginClient,
  session: string,
  who: Authenticated,
  { needs, onRequest: [offered] }: Denial,
): Promise<boolean> {
  if (needs !== undefined || offered === undefined) return false
  const asked = await askForAccess.pending({ ...who.principal.facts, session }, offered)
  if (asked === undefined) return false
  await asked.leave({ keeps: false })
  client.tell(`You have asked for ${addressOf(offered)} (${asked.id}), and nobody has decided yet.`)
  return true
}

/** What it gives is nobody's once the signal is aborted, and nothing is begun any more. */
async function goOn(asker: Asker, who: Authenticated, first: Denial): Promise<Authorized | Refusal> {
  const { client, session, signal } = asker
  let denied = first
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const [offered] = denied.onRequest
    const refusal =
      denied.needs === undefined && offered !== undefined
        ? await askAndWait(asker, who, denied, offered)
        : await gather(asker, denied, denied.needs ?? { reason: 'optional', tickets: [] })
    if (refusal !== undefined) return refusal
    const principal = await who.renew()
    if (principal === undefined) return refuse('ACCESS_DENIED', 'Your access was withdrawn meanwhile.')
    signal.throwIfAborted()
    asker.refusedAt = asker.askForAccess.now()
    const anew = await authorizeSession(asker, client, session, { ...who, principal, words: asker.words, again: true })
    if (!isRefusal(anew) || (anew.needs === undefined && anew.onRequest.length === 0)) return anew
    denied = anew
  }
  return denied
}

interface Asker extends AskingParts {
  readonly client: LoginClient
  readonly session: string
  readonly brought: Brought
  /** They were told so, and for whom it waits. */
  readonly askedBefore: boolean
  readonly signal: AbortSignal
  /** What they have said so far. */
  words: GivenWords
  /** Before the last decision, by the clock of requests. */
  refusedAt: number
}

/** Undefined once they have said what is demanded. */
async function gather(asker: Asker, denied: Denial, demanded: DemandedOfSession): Promise<Refusal | undefined> {
  const { client, brought, signal } = asker
  let { reason = brought.reason, ticket = brought.ticket } = asker.words
  if (reason === undefined && !brought.attended) return denied
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    if (reason === undefined && brought.attended) {
      if (tries === 0) client.tell(`${denied.message.replace(/^Access denied: /, '')} Ctrl-C gives up.`)
      reason = await client.ask('Reason: ')
      if (!reason) return givenUp()
    }
    if (ticket === undefined && demanded.tickets.length > 0 && brought.attended) {
      ticket = await client.ask(`Ticket, of the form ${printable(demanded.tickets.join(' and '))}: `)
      if (!ticket) return givenUp()
    }
    signal.throwIfAborted()
    const wrong = check(asker, demanded, { reason, ticket })
    if (wrong === undefined) return undefined
    if (!brought.attended) return { ...denied, message: `${denied.message} ${wrong.message}` }
    client.tell(wrong.message)
    reason = undefined
    ticket = undefined
  }
  return givenUp()
}

/** What is wrong with it; undefined: it is taken. */
function check(asker: Asker, demanded: DemandedOfSession, words: GivenWords): GatewayError | undefined {
  const forms = demanded.tickets.length === 0 ? [undefined] : demanded.tickets
  try {
    for (const ticket of forms) {
      asker.words = checkWords({ reason: demanded.reason, ticket }, words, 'A session here', 'INC-4711')
    }
    return undefined
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'BAD_REQUEST') return error
    throw error
  }
}

/** Undefined once it is approved. */
async function askAndWait(
  asker: Asker,
  who: Authenticated,
  denied: Denial,
  offered: Offered,
): Promise<Refusal | undefined> {
  const { client, session, askForAccess, signal } = asker
  const person = { ...who.principal.facts, session }
  const pending = await askForAccess.pending(person, offered)
  signal.throwIfAborted()
  const asked = pending ?? (await askAnew(asker, denied, offered, person))
  if (isRefusal(asked)) return asked
  const address = addressOf(offered)
  const outcome = await decided(asker, who, asked, address).catch(async error => {
    const left = await asked.leave({ keeps: keeps(asker) })
    if (!signal.aborted) throw error
    return refuse('LOGIN_GIVEN_UP', leftText(asked.id, left), 'the client left')
  })
  if (isRefusal(outcome)) return outcome
  await asked.leave({ keeps: false })
  if (outcome.is === 'over')
    return refuse('ACCESS_DENIED', `Access denied: ${asked.id} ${outcome.words}.`, outcome.words)
  client.tell(`${asked.id} is approved. Connecting to ${address}...`)
  return undefined
}

/** Told what they wait for. Rejects once the signal is aborted. */
async function decided(asker: Asker, who: Authenticated, asked: AskedAccess, address: string) {
  const { client, session, brought, sessionAudit, waitingLogins, signal } = asker
  signal.throwIfAborted()
  await sessionAudit.loginWaits(client, session, who, asked.id)
  const until = isoMinute(asker.clock.now() + waitingLogins.longestMs)
  const withdraws = brought.canKeep ? 'withdraws it, Esc leaves it asked for' : 'withdraws it'
  // A menu shows one line, the last.
  const isTold = asker.askedBefore && !brought.canKeep
  const what = isTold ? '' : `${asked.known ? 'You have asked' : 'Asked'} for ${address} (${asked.id}). `
  client.tell(
    `${what}Waiting for ${asked.approvers} to approve it, until ${until} at the latest. Ctrl-C ${asked.known ? 'stops waiting' : withdraws}.`,
  )
  return asked.decided(signal)
}

/** Whoever can come back to it has not given it up by waiting in vain. */
function keeps({ client, brought, signal }: Asker): boolean {
  if (!brought.canKeep) return false
  if (client.loginOver.aborted) return client.loginOver.reason === KEEPS_REQUEST
  return signal.reason instanceof GatewayError && signal.reason.code === 'WAITED_TOO_LONG'
}

function leftText(id: string, left: LeftRequest): string {
  switch (left) {
    case 'withdrawn':
      return `${id} is withdrawn.`
    case 'decided':
      return `${id} was decided meanwhile: connect again.`
    case 'stands':
      return `${id} stays asked for.`
  }
}

async function askAnew(asker: Asker, denied: Denial, offered: Offered, person: Parameters<AskForAccess['ask']>[0]) {
  const { brought, askForAccess, signal } = asker
  const { reason, ticket } = offered.offer
  const refusal = await gather(asker, denied, { reason, tickets: ticket === undefined ? [] : [ticket] })
  if (refusal !== undefined) return refusal
  const length = brought.length === undefined ? undefined : durationText.safeParse(brought.length.trim())
  if (length?.success === false) return badWish(denied, `How long: ${length.error.issues[0]!.message}.`)
  signal.throwIfAborted()
  const wish = { words: asker.words, lengthMs: length?.data, mayStay: brought.canKeep === true, since: asker.refusedAt }
  return askForAccess.ask(person, offered, wish).catch(error => {
    if (error instanceof GatewayError && SAID.has(error.code)) return badWish(denied, error.message)
    throw error
  })
}

/** What a request is refused for in words for the person. */
const SAID: ReadonlySet<ErrorCode> = new Set(['BAD_REQUEST', 'ACCESS_DENIED', 'CONFLICT'])

function addressOf({ account, target }: Offered): string {
  return formatAccountAddress({ account: account.name, target: target.name })
}

function badWish(denied: Denial, message: string): Refusal {
  return { ...denied, message, detail: message }
}

function givenUp(): Refusal {
  return refuse('LOGIN_GIVEN_UP', 'Nothing was asked for.', 'they gave no reason when they were asked')
}
