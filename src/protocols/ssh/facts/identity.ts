/** What an SSH target is to a credential: the keys that it may show, and how it may have the login proven. */

import { z } from 'zod'
import { isSubset } from '../../../shared/is-subset.ts'
import { fingerprint } from '../../../shared/ssh-encoding/fingerprint.ts'
import type { IdentityFacts } from '../../facts.ts'
import { parseHostKey } from './host-keys.ts'
import { SSH_METHODS, type SshEntry } from './target.ts'

const fields = {
  /** `ssh-ed25519 SHA256:…`, sorted. */
  hostKeys: z.array(z.string()),
  authentication: z.array(z.enum(SSH_METHODS)),
}
type Identity = z.output<z.ZodObject<typeof fields>>

export const sshIdentity = {
  fields,
  of: ({ hostKeys, authentication }: SshEntry): Identity => ({
    hostKeys: hostKeys.map(hostKeyOf).sort(),
    // Not given: the credential's kind decides, and sends nothing to a host that lets anybody in.
    authentication: [...(authentication ?? SSH_METHODS.filter(method => method !== 'none'))].sort(),
  }),
  within: (now: Identity, confirmed: Identity) =>
    isSubset(now.hostKeys, confirmed.hostKeys) && isSubset(now.authentication, confirmed.authentication),
  kept: (target: SshEntry, confirmed: Identity) => ({
    ...target,
    hostKeys: target.hostKeys.filter(line => confirmed.hostKeys.includes(hostKeyOf(line))),
  }),
} as const satisfies IdentityFacts

function hostKeyOf(line: string): string {
  const key = parseHostKey(line)
  return key === undefined ? `unreadable ${fingerprint(line)}` : `${key.type} ${fingerprint(key.blob)}`
}
