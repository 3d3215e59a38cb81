/** What an entry of an SSH target has beside what all have. */

import { z } from 'zod'
import { listedTwice } from '../../../shared/listed-twice.ts'
import type { AnyTarget, Complaint, TargetFacts } from '../../facts.ts'
import { parseHostKey } from './host-keys.ts'

/** The proofs that a target may ask for (RFC 4252); not given: those that the credential's kind calls for. */
export const SSH_METHODS = ['publickey', 'password', 'keyboard-interactive', 'none'] as const

const fields = {
  /** Lines as in known_hosts without the host: `ssh-ed25519 AAAA…`. Without one the target is not used. */
  hostKeys: z.array(z.string()).default([]),
  authentication: z.array(z.enum(SSH_METHODS)).min(1).optional(),
  /** Where the host is told who stands behind the account; not given: in `environment`, as SALLYPORT_USER and SALLYPORT_SESSION. */
  showUserIn: z.array(z.enum(['environment'])).optional(),
}

export type SshEntry = AnyTarget & z.output<z.ZodObject<typeof fields>>

export const sshTarget = {
  defaultPort: 22,
  fields,
  check: ({ hostKeys, authentication = [] }: SshEntry): Complaint[] => [
    ...listedTwice(authentication, 'authentication', method => `${method} is there twice.`),
    ...hostKeys.flatMap((line, index) =>
      parseHostKey(line) === undefined ? [{ path: ['hostKeys', index], message: wrongKey(line) }] : [],
    ),
  ],
  learnt: 'hostKeys',
  showsUserIn: ({ showUserIn = ['environment'] }: SshEntry) => showUserIn,
  describeIdentity({ hostKeys: { length } }: SshEntry) {
    return {
      text: length === 0 ? 'not known: scan it' : `${length} host ${length === 1 ? 'key' : 'keys'}`,
      known: length > 0,
    }
  },
  asks: 'host-keys',
} as const satisfies TargetFacts

function wrongKey(line: string): string {
  if (line.includes('PRIVATE KEY')) return 'This is a private key: take it out, and never write one here.'
  if (/^@cert-authority\b|-cert-v\d+@/.test(line))
    return "Certificates of hosts are not taken: write the host's own key, which it shows as well; `sallyport target scan` prints it."
  return 'This host key cannot be used: one is written as in "ssh-ed25519 AAAA…", `sallyport target scan` prints it; RSA from 2048 bits.'
}
