/** The requester is told before the access ends: planned with every change of the end, so that it outlives its gateway, and told once for each end. */

import type { RequestedAccess } from '../access-requests/request.ts'
import { requestDocument, wantedText } from '../access-requests/request-document.ts'
import { wasTold } from '../notifications/rows.ts'
import { requestCommand } from '../policy/request-command.ts'
import type { JobHandler } from '../schedule/job.ts'
import { isoMinute } from '../shared/text/iso-time.ts'
import type { GatewayParts } from './parts.ts'
import { linkTo } from './tell-requests.ts'

const WARN = 'request.warn'
const KIND = 'request.ends-soon'
const LONGEST_LEAD_MS = 15 * 60_000
/** A message takes a moment to arrive: of what is shorter people know. */
const SHORTEST_LEAD_MS = 60_000

type Parts = Pick<GatewayParts, 'requests' | 'notify' | 'schedule' | 'storeClock' | 'database' | 'channels'>

export function tellBeforeRequestsEnd(
  { requests, schedule, storeClock, channels }: Omit<Parts, 'notify' | 'database'>,
  started: AsyncDisposableStack,
): void {
  if (channels.length === 0) return
  const forget = requests.onTransition(async ({ request }, on) => {
    const dueAt = warnedAt(request)
    if (dueAt !== undefined && dueAt > storeClock.now())
      await schedule.plan({ kind: WARN, key: request.id, dueAt, replace: true }, on)
    else if (request.state.is !== 'pending') await schedule.cancel(WARN, request.id, on)
  })
  started.defer(async () => forget())
}

export function endsSoonHandler({
  requests,
  notify,
  storeClock,
  database,
}: Omit<Parts, 'schedule' | 'channels'>): Record<string, JobHandler> {
  return {
    [WARN]: {
      limit: 2,
      async run({ key }) {
        const request = await requests.rows.get(key)
        const since = request && warnedAt(request)
        if (request?.state.is !== 'active' || since === undefined) return undefined
        const now = storeClock.now()
        // It was extended meanwhile.
        if (now < since) return { again: since }
        if (now >= request.state.endsAt) return undefined
        const text = await endsSoon(request, request.state.endsAt, requests)
        await database.transaction().execute(async on => {
          // By a gateway that died before the job was over.
          if (!(await wasTold(on, { kind: KIND, path: text.link.path, since }))) await notify(text, on)
        })
        return undefined
      },
    },
  }
}

/** A quarter of its time before the end, and a quarter of an hour at most; undefined where nothing ends, or is too short. */
function warnedAt({ state }: RequestedAccess): number | undefined {
  if (state.is !== 'active') return undefined
  const lead = Math.min(LONGEST_LEAD_MS, (state.endsAt - state.startsAt) / 4)
  return lead < SHORTEST_LEAD_MS ? undefined : Math.round(state.endsAt - lead)
}

async function endsSoon(request: RequestedAccess, endsAt: number, { offerOf }: Pick<Parts['requests'], 'offerOf'>) {
  const { user, id } = request
  const offer = (await offerOf(request.role, request.offer))?.offer
  return {
    kind: KIND,
    subject: `Your access to ${wantedText(requestDocument(request))} ends at ${isoMinute(endsAt)}`,
    lines: offer?.extend ? [`For more time: ${requestCommand(user, `extend ${id}`, offer)}`] : [],
    link: linkTo(request),
    to: [{ user }],
  } as const
}
