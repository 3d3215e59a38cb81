/** At the start: upgrades what earlier versions stored in a weaker form, once for a store, and audits it. */

import type { AuditKind } from '../audit/event.ts'
import type { GatewayParts } from './parts.ts'

/** Throws `VAULT_DAMAGED` where a mark that it was done is not what was sealed. */
export async function upgradeStore(parts: GatewayParts): Promise<void> {
  if (!(await parts.vault.mayHoldEarlier())) return
  await upgrade(parts, 'credentials-bound', 'credential.bound', 'accounts', () => parts.vault.bindEarlier())
  await upgrade(parts, 'tokens-sealed', 'token.sealed', 'tokens', () => parts.tokens.sealEarlier())
  // Last: a row that looks like one of an earlier version was put there by hand from now on.
  await parts.vault.noteTakenOver()
}

async function upgrade(
  { vault, audit, log }: GatewayParts,
  mark: string,
  kind: AuditKind,
  noun: string,
  work: () => Promise<string[]>,
): Promise<void> {
  const [known] = await audit.list({ kind, limit: 1 })
  const upgraded = await vault.once(mark, known !== undefined, work)
  if (upgraded === undefined) {
    const why = `the mark ${mark} was taken from the store: what an earlier version stored was not taken over again`
    log.error(why)
    await audit.append({ kind, actor: 'gateway', data: { [noun]: [], why } })
  } else if (known === undefined) {
    // Also where the gateway fell between the mark and the event.
    await audit.append({ kind, actor: 'gateway', data: { [noun]: upgraded } })
  }
}
