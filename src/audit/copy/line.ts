/** One audit event as a line of JSON, as sinks write it and `readCopy` reads it. */

import { z } from 'zod'
import { terminalSafeJson } from '../../shared/text/terminal-safe-json.ts'
import type { AuditRow } from '../chain/chain.ts'

const lineSchema = z.object({
  seq: z.int().min(1),
  time: z.string(),
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

/** Without the newline. `time` repeats `at` for people: it is not part of what is signed, so it is compared when it is read. */
export function formatLine(row: AuditRow): string {
  const { seq, at, gateway, kind, actor, session, data, previous, hash, signature } = row
  const begin = JSON.stringify({ seq, time: timeOf(at), at, gateway, kind, actor, session }).slice(0, -1)
  // `data` is JSON text already, and its hash is over exactly this text.
  return terminalSafeJson(`${begin},"data":${data},${JSON.stringify({ previous, hash, signature }).slice(1)}`)
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
  if (!result.success) return undefined
  // Writing the data again gives the text that was written: JSON.stringify of what JSON.parse read is stable.
  const { time, ...row } = { ...result.data, data: JSON.stringify((parsed as { data: unknown }).data) }
  return time === timeOf(row.at) ? row : undefined
}

function timeOf(at: number): string {
  const time = new Date(at)
  // A number that no clock gives, from a line that somebody made up.
  return Number.isNaN(time.getTime()) ? '' : time.toISOString()
}
