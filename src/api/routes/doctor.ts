/** The doctor: sessions, leases, recordings, seals and audit events related to each other. */

import { Readable } from 'node:stream'
import { z } from 'zod'
import { type DoctorOptions, examineAll, START } from '../../evidence/doctor/doctor.ts'
import { FINDING_ADVICE, type FindingCode } from '../../evidence/doctor/finding.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, timeSchema } from './route.ts'

export type DoctorLine =
  /** At once: who asks need not wait for the first finding to know that the gateway is at it. */
  | { readonly type: 'begin' }
  | {
      readonly type: 'finding'
      readonly code: FindingCode
      readonly session: string | null
      readonly what: string
      readonly next: string
    }
  | {
      readonly type: 'end'
      readonly sessions: number
      readonly findings: number
      readonly counts: Partial<Record<FindingCode, number>>
      readonly recordingsRead: number
      readonly bytesRead: number
    }

const LIST_TYPE = 'application/x-ndjson'
const roundSchema = z.object({
  /** When the last daily round was finished; null: there was none yet. */
  finishedAt: timeSchema.nullable(),
  counts: z.record(z.string(), z.number()),
})

export function doctor(app: ApiRoutes, { doctor: parts, doctorRounds: rounds }: ApiParts): void {
  const tags = ['audit']

  app.get(
    '/v1/doctor',
    {
      schema: {
        summary:
          'What is missing, doubled, cut, changed or foreign among sessions, leases, recordings and audit events, as NDJSON',
        tags,
        querystring: z.object({
          /** Only sessions whose connection came since. */
          since: timeSchema.optional(),
          /** Also read every recording, and the whole audit log. */
          full: z.stringbool().default(false),
        }),
        response: { 200: { description: 'A stream', content: { [LIST_TYPE]: { schema: z.instanceof(Readable) } } } },
      },
    },
    async ({ query: { since, full } }, reply) => {
      const left = new AbortController()
      reply.raw.on('close', () => left.abort())
      const lines = linesOf({
        ...{ since: since === undefined ? undefined : Date.parse(since), signal: left.signal },
        chainFrom: full ? START : (await rounds.state()).chain,
        ...(full ? { read: { after: '', atMostBytes: Number.POSITIVE_INFINITY } } : {}),
      })
      return reply.header('content-type', LIST_TYPE).send(Readable.from(lines, { objectMode: false }))
    },
  )

  app.get(
    '/v1/doctor/round',
    {
      schema: { summary: 'What the last daily round found', tags, response: { 200: roundSchema } },
    },
    async () => {
      const { finishedAt, counts } = await rounds.state()
      return { finishedAt: finishedAt === 0 ? null : isoTime(finishedAt), counts: counts as Record<string, number> }
    },
  )

  async function* linesOf(options: DoctorOptions): AsyncGenerator<string> {
    const line = (value: DoctorLine) => `${JSON.stringify(value)}\n`
    yield line({ type: 'begin' })
    const round = examineAll(parts, options)
    let step = await round.next()
    for (; step.done !== true; step = await round.next()) {
      yield line({ type: 'finding', ...step.value, next: FINDING_ADVICE[step.value.code] })
    }
    const { sessions, findings, counts, recordingsRead, bytesRead } = step.value
    yield line({ type: 'end', sessions, findings, counts, recordingsRead, bytesRead })
  }
}
