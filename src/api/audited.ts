/** Orders a change and its audit event: never one without the other. */

import type { AuditLog } from '../audit/audit-log.ts'
import type { Audit, AuditEvent } from '../audit/event.ts'
import type { Change } from '../database/change.ts'
import { GatewayError } from '../shared/errors.ts'

/**
 * Writes the event, then does the work: nothing is shown or done that is not in the log. Work that fails gets a second event that says
 * so. Throws `AUDIT_UNAVAILABLE`, with nothing done, and whatever the work throws.
 */
export async function audited<T>(audit: Audit, event: AuditEvent, work: () => Promise<T>): Promise<T> {
  await audit.append(event)
  return auditIfFailed(audit, event, work)
}

/**
 * For work that changes the store: `change` stores what it writes and the event in one transaction, so that no crash leaves one without
 * the other. Work that fails has changed nothing, and gets an event that says so. Throws as `audited` does.
 */
export function auditedChange<T>(
  audit: AuditLog,
  event: AuditEvent,
  work: (change: Change) => Promise<T>,
  /** What really changed, where that is only known then. */
  eventOf: (written: unknown) => AuditEvent = () => event,
): Promise<T> {
  return auditIfFailed(audit, event, () => work(write => audit.change(write, eventOf)))
}

async function auditIfFailed<T>(audit: Audit, event: AuditEvent, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const failed = error instanceof GatewayError ? error.code : 'INTERNAL'
    if (failed !== 'AUDIT_UNAVAILABLE') await audit.append({ ...event, data: { ...event.data, failed } })
    throw error
  }
}
