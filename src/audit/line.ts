/** One audit event as a line of JSON, as sinks write it and `verifyAuditLines` reads it. */

import { z } from 'zod'
import type { AuditRow } from './chain.ts'

const lineSchema = z.object({
  seq: z.int().min(1),
  at: z.int(),
  gateway: z.string(),
  kind: z.string(),
  actor: z.string(),
  session: z.string().nullable(),
  data: z.record(z.string(), z.unknown()),
  previous: z.string(),
  hash: z.string(),
  signature: z.string(),
})

/** Without the newline. `time` repeats `at` for people; it is not part of what is signed. */
export function formatLine(row: AuditRow): string {
  const { seq, at, gateway, kind, actor, session, data, previous, hash, signature } = row
  const begin = JSON.stringify({ seq, time: new Date(at).toISOString(), at, gateway, kind, actor, session }).slice(
    0,
    -1,
  )
  // `data` is JSON text already, and its hash is over exactly this text.
  return `${begin},"data":${data},${JSON.stringify({ previous, hash, signature }).slice(1)}`
}

/** Undefined when the line is not an audit event. */
export function parseLine(line: string): AuditRow | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch {
    return undefined
  }
  const result = lineSchema.safeParse(parsed)
  // Writing the data again gives the text that was written: JSON.stringify of what JSON.parse read is stable.
  return result.success ? { ...result.data, data: JSON.stringify((parsed as { data: unknown }).data) } : undefined
}
