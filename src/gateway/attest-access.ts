/** The attested end of access that was given for a time: carried out with all that can be seen from here. */

import { createAttest } from '../access-requests/attest/attest.ts'
import { type AttestedSession, type Findings, isClean } from '../access-requests/attest/attestation.ts'
import { createAttestationRows } from '../access-requests/attest/attestation-rows.ts'
import type { RequestedAccess } from '../access-requests/request.ts'
import type { JobHandler } from '../schedule/job.ts'
import type { SessionRow } from '../session/records/session-store.ts'
import { formatAccountAddress } from '../shared/names.ts'
import { ATTEST } from './access-request-jobs.ts'
import { createAskTargets } from './attest/ask-targets.ts'
import { rememberAnswers } from './attest/remember-answers.ts'
import { createRotationsAfter } from './attest/rotations-after.ts'
import { sessionFindings } from './attest/session-findings.ts'
import type { GatewayParts } from './parts.ts'
import type { ServedProtocols } from './protocols.ts'
import type { RotationParts } from './rotation-parts.ts'

const SESSIONS_AT_ONCE = 1000
const MOST_CHECK_OUTS = 1000
const MOST_SHOWN = 1000

export function attestationHandler(
  parts: GatewayParts,
  rotationParts: RotationParts,
  served: ServedProtocols,
): Record<string, JobHandler> {
  const { requests, sessions, checkOuts, live, outbox, audit, metrics, storeTime, storeClock, reaper, log } = parts
  const targets = rememberAnswers(createAskTargets(parts, rotationParts, served), storeClock)
  const rotationsAfter = createRotationsAfter(parts, rotationParts)

  async function restingOn(request: string): Promise<SessionRow[]> {
    const found: SessionRow[] = []
    for (;;) {
      const before = found.at(-1)
      const some = await sessions.list({ request, limit: SESSIONS_AT_ONCE, ...(before && { before }) })
      found.push(...some)
      if (some.length < SESSIONS_AT_ONCE) return found
    }
  }

  async function look(request: RequestedAccess, signal: AbortSignal): Promise<Findings> {
    const resting = await restingOn(request.id)
    const held = await checkOuts.list({ request: request.id, limit: MOST_CHECK_OUTS })
    const living = (await reaper.living()) ?? undefined
    const remains = await targets.ask(request.id, resting, signal)
    const found = resting.map(
      (row): AttestedSession => ({
        ...sessionFindings(row, { living, alone: storeTime === undefined }),
        atTarget: remains.get(row.id) ?? 'not-asked',
      }),
    )
    return {
      ...mostTelling(found),
      checkOuts: held.map(one => ({
        ...{ checkOut: one.id, account: formatAccountAddress(one) },
        state: one.state.is === 'ended' ? 'returned' : 'open',
      })),
      rotations: await rotationsAfter(resting, held),
    }
  }

  const attest = createAttest({
    ...{ requests: requests.rows, rows: createAttestationRows(parts.database), outbox, audit, look },
    async endAgain({ id, user }) {
      await live
        .requestEnded(id)
        .catch(error => log.warn({ err: error, request: id }, 'others were not told of an end'))
      await checkOuts.reviewOf(user)
    },
    clock: parts.storeClock,
    count: result => metrics.attestations.inc({ result }),
  })
  return {
    [ATTEST]: {
      limit: 4,
      async run({ key }, signal) {
        const again = await attest(key, signal)
        if (again === undefined) targets.forget(key)
        return again === undefined ? undefined : { again }
      },
    },
  }
}

/** Of thousands of sessions those that are gone are counted, where they are not shown. */
function mostTelling(found: readonly AttestedSession[]): Pick<Findings, 'sessions' | 'sessionsInAll'> {
  const rank = (one: AttestedSession) => (isClean(one) ? (one.atTarget === 'not-asked' ? 1 : 2) : 0)
  const first = found.toSorted((a, b) => rank(a) - rank(b))
  return { sessions: first.slice(0, MOST_SHOWN), ...(found.length > MOST_SHOWN && { sessionsInAll: found.length }) }
}
