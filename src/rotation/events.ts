/** The audit events of credentials that were tried at their targets. */

import type { AuditEvent } from '../audit/event.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import type { VerifiedResult } from './account-states.ts'

export function changedElsewhere(address: AccountAddress, version: number, by: string, words: string): AuditEvent {
  const data = { account: formatAccountAddress(address), version, words }
  return { kind: 'credential.changed-elsewhere', actor: by, data }
}

export function verified(
  address: AccountAddress,
  version: number,
  by: string,
  result: VerifiedResult,
  words: string,
): AuditEvent {
  const data = { account: formatAccountAddress(address), version, result, ...(words === '' ? {} : { words }) }
  return { kind: 'credential.verified', actor: by, data }
}
