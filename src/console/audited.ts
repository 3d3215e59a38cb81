/** The order of every change: first the audit log, then the change. */

import type { Audit, AuditEvent } from '../audit/event.ts'
import { GatewayError } from '../shared/errors.ts'

/**
 * Writes the event, then does the work: nothing changes that is not in the log. Work that fails gets a second event that says so.
 * Throws `AUDIT_UNAVAILABLE`, with nothing done, and whatever the work throws.
 */
export async function audited<T>(audit: Audit, event: AuditEvent, work: () => Promise<T>): Promise<T> {
  await audit.append(event)
  try {
    return await work()
  } catch (error) {
    const failed = error instanceof GatewayError ? error.code : 'INTERNAL'
    await audit.append({ ...event, data: { ...event.data, failed } })
    throw error
  }
}
