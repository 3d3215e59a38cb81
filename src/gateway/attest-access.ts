/** The attested end of access that was given for a time: carried out with all that can be seen from here. */

import { createAttest } from '../access-requests/attest/attest.ts'
import type { Findings } from '../access-requests/attest/attestation.ts'
import { createAttestationRows } from '../access-requests/attest/attestation-rows.ts'
import type { RequestedAccess } from '../access-requests/request.ts'
import type { JobHandler } from '../schedule/job.ts'
import { formatAccountAddress } from '../shared/names.ts'
import { ATTEST } from './access-request-jobs.ts'
import { createAskTargets } from './attest/ask-targets.ts'
import { createRotationsAfter } from './attest/rotations-after.ts'
import { sessionFindings } from './attest/session-findings.ts'
import type { GatewayParts } from './parts.ts'
import type { ServedProtocols } from './protocols.ts'
import type { RotationParts } from './rotation-parts.ts'

const MOST_SESSIONS = 1000

export function attestationHandler(
  parts: GatewayParts,
  rotationParts: RotationParts,
  served: ServedProtocols,
): Record<string, JobHandler> {
  const { requests, sessions, checkOuts, live, outbox, audit, metrics, storeTime, reaper, log } = parts
  const askTargets = createAskTargets(parts, rotationParts, served)
  const rotationsAfter = createRotationsAfter(parts, rotationParts)

  async function look(request: RequestedAccess, signal: AbortSignal): Promise<Findings> {
    const resting = await sessions.list({ request: request.id, limit: MOST_SESSIONS })
    const held = await checkOuts.list({ request: request.id, limit: MOST_SESSIONS })
    const living = (await reaper.living()) ?? undefined
    const remains = await askTargets(resting, signal)
    return {
      sessions: resting.map(row => ({
        ...sessionFindings(row, { living, alone: storeTime === undefined }),
        atTarget: remains.get(row.id) ?? 'not-asked',
      })),
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
        return again === undefined ? undefined : { again }
      },
    },
  }
}
