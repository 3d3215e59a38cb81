/** Which accounts are checked out or asked for, in a few words for the list. */

import { type RequestDocument, wantedText } from '../../access-requests/request-document.ts'
import type { OwnCheckOuts } from '../../check-out/own-check-outs.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import { isoMinute } from '../../shared/text/iso-time.ts'

/** By address: of check-outs, and of what was asked for and waits. Times are UTC. */
export function statesOf(
  { checkOuts, waiting, taken }: Awaited<ReturnType<OwnCheckOuts['list']>>,
  requests: readonly RequestDocument[] = [],
): ReadonlyMap<string, string> {
  const states = new Map<string, string>()
  for (const one of requests) if (one.state === 'pending') states.set(wantedText(one), 'asked for, not approved yet')
  for (const one of taken) states.set(formatAccountAddress(one), `taken until ${shortTime(one.until)}`)
  for (const one of waiting) {
    const turn = one.offeredUntil === null ? 'you wait for it' : `your turn until ${shortTime(one.offeredUntil)}`
    states.set(formatAccountAddress(one), turn)
  }
  for (const one of checkOuts) {
    if (one.endedAt === null) states.set(formatAccountAddress(one), `yours until ${shortTime(one.until)}`)
  }
  return states
}

/** `11-28 14:30 UTC` */
function shortTime(iso: string): string {
  return isoMinute(Date.parse(iso)).slice('2026-'.length)
}
