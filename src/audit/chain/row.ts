/** An audit event as the store keeps it. */

import type { Clock } from '../../shared/clock.ts'
import type { AuditEvent } from '../event.ts'
import type { UnlinkedRow } from './chain.ts'

const MAX_DATA_LENGTH = 64 * 1024

export function toRow({ kind, actor, session, data = {} }: AuditEvent, gateway: string, clock: Clock): UnlinkedRow {
  return {
    at: clock.now(),
    gateway,
    kind,
    // PostgreSQL takes neither NUL nor half a surrogate pair, and a login must not fail to be told for a strange name.
    actor: actor.toWellFormed().replaceAll('\0', '\ufffd'),
    session: session ?? null,
    data: dataText(data),
  }
}

/** JSON text, ASCII-safe where the store could change it, and bounded. `Secret` shows itself as `[secret]`. */
function dataText(data: Record<string, unknown>): string {
  const text = JSON.stringify(data)
  if (text.length <= MAX_DATA_LENGTH) return text
  return JSON.stringify({
    truncated: true,
    length: text.length,
    begin: text.slice(0, MAX_DATA_LENGTH / 8).toWellFormed(),
  })
}
