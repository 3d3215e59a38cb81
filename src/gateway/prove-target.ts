/** Has a target prove that it is the one that its credential was confirmed for, where its address moved or a host key came beside others. */

import { dial } from '../protocols/postgres/target-side/dial.ts'
import { proveHost } from '../protocols/ssh/target-side/prove-host.ts'
import { GatewayError } from '../shared/errors.ts'
import { parseHostKey } from '../targets/host-keys.ts'
import { identityOf, staysWithin, type TargetIdentity } from '../targets/identity.ts'
import { loginOf, nameInCertificate, type SshTarget, type Target } from '../targets/target.ts'
import { type CredentialMaterial, eraseMaterial } from '../vault/lease.ts'

const CONNECT_MS = 10_000

/**
 * `lend` gives the credential for an entry that stays within what was confirmed. Throws `BAD_REQUEST` with what a proof cannot show (it is then
 * for somebody to look at and confirm), `TARGET_UNREACHABLE` or `TARGET_IDENTITY_MISMATCH`.
 */
export async function proveTarget(
  target: Target,
  account: string,
  confirmed: TargetIdentity,
  lend: (entry: Target) => Promise<CredentialMaterial>,
): Promise<void> {
  // As it would be at the old address and with the keys that are confirmed: what else is new has no proof.
  const kept = target.protocol === 'ssh' ? { ...target, hostKeys: confirmedKeys(target, confirmed) } : target
  const { host, port } = confirmed
  const atOldAddress = { ...kept, ...serverNameOf(target), host, port }
  if (!staysWithin(identityOf(atOldAddress, account), confirmed))
    throw unprovable('more than its address and host keys changed')
  if (target.protocol === 'postgres') {
    if (confirmed.protocol !== 'postgres' || confirmed.tls !== 'verify-full') {
      throw unprovable('it was not confirmed with tls: verify-full')
    }
    const { socket } = await dial(target, 'tls', AbortSignal.timeout(CONNECT_MS))
    socket.destroy()
    return
  }
  await proveKeys(target, account, kept as SshTarget, host === target.host && port === target.port, lend)
}

async function proveKeys(
  target: SshTarget,
  account: string,
  kept: SshTarget,
  sameAddress: boolean,
  lend: (entry: Target) => Promise<CredentialMaterial>,
): Promise<void> {
  if (kept.hostKeys.length === 0) throw unprovable('none of the confirmed host keys is pinned any more')
  const [known, all] = [kept.hostKeys, target.hostKeys].map(lines => lines.flatMap(line => parseHostKey(line) ?? []))
  const others = all!.filter(key => !known!.some(one => one.blob.equals(key.blob)))
  if (all!.length < target.hostKeys.length) throw unprovable('a host key of its entry cannot be read')
  if (others.length === 0) return proveHost({ target, known: known!, others })
  if (!sameAddress) throw unprovable('its address and its host keys changed; change one after the other')
  const user = loginOf(target.accounts.find(({ name }) => name === account) ?? { name: account })
  const material = await lend(kept)
  try {
    await proveHost({ target, known: known!, others, login: { user, material } })
  } finally {
    eraseMaterial(material)
  }
}

function confirmedKeys(target: SshTarget, confirmed: TargetIdentity): string[] {
  const keys = confirmed.protocol === 'ssh' ? confirmed.hostKeys : []
  return target.hostKeys.filter(line => {
    const [named] = (identityOf({ ...target, hostKeys: [line] }, '') as { hostKeys: string[] }).hostKeys
    return keys.includes(named!)
  })
}

/** The name in the certificate must stay: who could choose another could choose their own. */
function serverNameOf(target: Target): { serverName?: string } {
  return target.protocol === 'postgres' ? { serverName: nameInCertificate(target) } : {}
}

function unprovable(why: string): GatewayError {
  return new GatewayError(
    'BAD_REQUEST',
    `The target cannot prove this: ${why}. Look at it, and confirm it without --prove.`,
  )
}
