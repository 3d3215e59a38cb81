/** What an SSH host must show to be the one that was confirmed: a confirmed key, and to own those that come beside it. */

import { type TargetProof, unprovable } from '../../../session/target-proof.ts'
import { loginOf } from '../../../targets/target.ts'
import { eraseMaterial } from '../../../vault/lease.ts'
import { parseHostKey } from '../facts/host-keys.ts'
import type { SshTarget } from '../target.ts'
import { proveHost } from './prove-host.ts'

export async function proveSshTarget({ account, confirmed, dialer, lend, ...proof }: TargetProof): Promise<void> {
  const [target, kept] = [proof.target, proof.kept] as [SshTarget, SshTarget]
  if (kept.hostKeys.length === 0) throw unprovable('none of the confirmed host keys is pinned any more')
  const [known, all] = [kept.hostKeys, target.hostKeys].map(lines => lines.flatMap(line => parseHostKey(line) ?? []))
  const others = all!.filter(key => !known!.some(one => one.blob.equals(key.blob)))
  if (all!.length < target.hostKeys.length) throw unprovable('a host key of its entry cannot be read')
  if (others.length === 0) return proveHost({ target, dialer, known: known!, others })
  if (confirmed.host !== target.host || confirmed.port !== target.port || confirmed.via !== target.via)
    throw unprovable('its address and its host keys changed; change one after the other')
  const material = await lend(kept)
  const user = loginOf(target.accounts.find(({ name }) => name === account) ?? { name: account }, material)
  try {
    await proveHost({ target, dialer, known: known!, others, login: { user, material } })
  } finally {
    eraseMaterial(material)
  }
}
