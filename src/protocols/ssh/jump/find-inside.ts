/** What a client asks for by host and port inside of a login that names no target, with the certificates of the gateway's host keys for it. */

import type { FoundInside, InsideParts, ServedProtocol } from '../../../session/served-protocol.ts'
import { isRefusal } from '../../../shared/errors.ts'
import { parseSshPublicKey } from '../../../shared/ssh-encoding/public-key.ts'
import type { SshTarget } from '../target.ts'
import { issueHostCertificate } from '../transport/host-certificate.ts'
import { createFindTarget } from './find-target.ts'
import { namesOf } from './target-address.ts'

/** Host certificates are checked when a connection begins, and are of no use after that; clocks differ. */
const CERTIFICATE_VALID_S = 3_600
const CERTIFICATE_BACKDATED_S = 300

export const findInside: NonNullable<ServedProtocol['findInside']> = async (parts, login, host, port) => {
  const found = await createFindTarget(parts)(login, host, port)
  if (isRefusal(found)) return found
  const { target, ownAccount } = found
  return { name: target.name, ownAccount, certificates: await certificatesFor(parts, target, host) }
}

async function certificatesFor(
  { ownKeys, hostAuthority, clock }: InsideParts,
  target: SshTarget,
  asked: string,
): Promise<FoundInside['certificates']> {
  const now = Math.floor(clock.now() / 1000)
  const terms = {
    keyId: `${target.name} through Sallyport`,
    principals: namesOf(target, asked),
    validAfter: now - CERTIFICATE_BACKDATED_S,
    validBefore: now + CERTIFICATE_VALID_S,
  }
  const authority = await hostAuthority.signer()
  return Object.values(ownKeys).map(key => issueHostCertificate(parseSshPublicKey(key.public)!.blob, terms, authority))
}
