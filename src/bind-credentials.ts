/** At the start: binds what earlier versions stored to the targets of now, once for a store, and says so in the audit log. */

import type { AuditLog } from './audit/audit-log.ts'
import type { GatewayParts } from './gateway-parts.ts'

/** Throws `VAULT_DAMAGED` where the mark that it was done is not what was sealed. */
export async function bindCredentials({ vault, audit, log }: GatewayParts<AuditLog>): Promise<void> {
  const [known] = await audit.list({ kind: 'credential.bound', limit: 1 })
  const accounts = await vault.bindOnce(known !== undefined)
  if (accounts === undefined) {
    const why = 'the mark that credentials are bound was taken from the store: what is not bound was left so'
    log.error(why)
    await audit.append({ kind: 'credential.bound', actor: 'gateway', data: { accounts: [], why } })
  } else if (known === undefined) {
    // Also where the gateway fell between the mark and the event.
    await audit.append({ kind: 'credential.bound', actor: 'gateway', data: { accounts } })
  }
}
