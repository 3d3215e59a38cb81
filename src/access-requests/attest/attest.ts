/**
 * The attested end: when the access of a request is over, it is looked until nothing of it is left, or for a while; then what was seen is
 * written down once, with its audit event. A job of the schedule carries it: whichever gateway lives does it.
 */

import type { Outbox } from '../../audit/chain/outbox.ts'
import type { AuditAppender, AuditEvent } from '../../audit/event.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Transition } from '../change.ts'
import type { RequestedAccess } from '../request.ts'
import type { RequestRows } from '../request-rows.ts'
import { type Attestation, type AttestationResult, type Findings, leftAndUnknown, resultOf } from './attestation.ts'
import type { AttestationRows } from './attestation-rows.ts'

/** What ends is told of it, and closes its sockets, meanwhile. */
export const FIRST_LOOK_MS = 3000
/** What is left then is no last breath of what ended. */
const SETTLED_MS = 5500
/** A target that does not answer, and a rotation that waits, are waited for so long. */
const LOOK_FOR_MS = 10 * 60_000
const LONGEST_PAUSE_MS = 120_000
const SHORTEST_PAUSE_MS = 3000
/** Of each in the event; the rest is in the store. */
const MOST_TOLD = 20

interface Parts {
  readonly requests: Pick<RequestRows, 'get'>
  readonly rows: AttestationRows
  readonly outbox: Outbox
  readonly audit: Pick<AuditAppender, 'flush'>
  /** What rests on it is told once more to end: who should have, may be dead, or has not heard it. */
  readonly endAgain: (request: RequestedAccess) => Promise<void>
  /** What there is now of what rested on it. */
  readonly look: (request: RequestedAccess, signal: AbortSignal) => Promise<Findings>
  /** The store's, where several gateways share it. */
  readonly clock: Clock
  readonly count: (result: AttestationResult) => void
}

/** Whether something may have rested on it, and nothing may any more. */
export function isOver({ what, request }: Pick<Transition, 'what' | 'request'>): boolean {
  const { kind, extensionOf, state } = request
  const ended = what === 'ended' || what === 'revoked' || what === 'cancelled'
  return ended && kind === 'access' && extensionOf === undefined && 'given' in state && state.given !== undefined
}

export function createAttest({ requests, rows, outbox, audit, endAgain, look, clock, count }: Parts) {
  /** Gives when it is looked again; undefined: it is written down. */
  return async (id: string, signal: AbortSignal): Promise<number | undefined> => {
    const request = await requests.get(id)
    if (request === undefined || !('by' in request.state) || (await rows.get(id)) !== undefined) return undefined
    await endAgain(request)
    const findings = await look(request, signal)
    signal.throwIfAborted()
    const now = clock.now()
    const passed = Math.max(0, now - request.state.at)
    const { left, unknown } = leftAndUnknown(findings)
    const open = isUnfinished(findings) || unknown.length > 0 || (left.length > 0 && passed < SETTLED_MS)
    if (open && passed < LOOK_FOR_MS)
      return now + Math.min(Math.max(passed, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS, LOOK_FOR_MS - passed)
    const attestation: Attestation = { request: id, result: resultOf(findings), at: now, ...findings }
    const written = await outbox.change(async (on, record) => {
      const first = await rows.insert(attestation, on)
      if (first) record(attested(request, attestation))
      return first
    })
    if (written) count(attestation.result)
    await audit.flush()
    return undefined
  }
}

/** It goes on by itself, and is over soon. */
function isUnfinished({ sessions, checkOuts }: Findings): boolean {
  return (
    sessions.some(({ client, target }) => client === 'open' || target === 'open') ||
    checkOuts.some(({ state }) => state === 'open')
  )
}

function attested({ id, user, role }: RequestedAccess, attestation: Attestation): AuditEvent {
  const { result, sessions, sessionsInAll = sessions.length, checkOuts, rotations } = attestation
  const { left, unknown } = leftAndUnknown(attestation)
  return {
    kind: 'access-request.attested',
    actor: 'gateway',
    data: {
      ...{ request: id, user, role, result },
      left: left.slice(0, MOST_TOLD),
      unknown: unknown.slice(0, MOST_TOLD),
      counts: {
        ...{ left: left.length, unknown: unknown.length },
        ...{ sessions: sessionsInAll, checkOuts: checkOuts.length, rotations: rotations.length },
      },
      sessions: sessions.slice(0, MOST_TOLD),
      checkOuts: checkOuts.slice(0, MOST_TOLD),
      rotations: rotations.slice(0, MOST_TOLD),
    },
  }
}
