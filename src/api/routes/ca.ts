/** The SSH host CA: by its key clients know the targets that they reach through the gateway (`ssh -J`). */

import { z } from 'zod'
import { isoTime } from '../../shared/text/iso-time.ts'
import type { HostAuthorityKey } from '../../vault/host-authority.ts'
import { auditedChange } from '../audited.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, timeSchema } from './route.ts'

/** A year: long enough for any company to give out a key. */
const LONGEST_OVERLAP_MS = 366 * 86_400_000
const WEEK_MS = 7 * 86_400_000

const authoritySchema = z.object({
  /** The key that signs now, then one that is to follow. */
  keys: z.array(
    z.object({
      number: z.number().int(),
      /** As a line of known_hosts, behind the hosts: `ssh-ed25519 AAAA…`. */
      publicKey: z.string(),
      signsFrom: timeSchema,
      /** Null: until it is rotated. */
      signsUntil: timeSchema.nullable(),
    }),
  ),
})
export type HostAuthorityAnswer = z.output<typeof authoritySchema>

export function ca(app: ApiRoutes, { vault, audit }: ApiParts): void {
  const tags = ['keys']

  app.get(
    '/v1/ca/host',
    { schema: { summary: 'The public keys of the SSH host CA', tags, response: { 200: authoritySchema } } },
    async () => answer(await vault.hostAuthority.keys()),
  )

  app.post(
    '/v1/ca/host/rotate',
    {
      schema: {
        summary: 'Makes a new key of the SSH host CA; the one of now signs until the overlap is over',
        tags,
        body: z.strictObject({
          /** Milliseconds; not given: a week. 0: the new key signs at once, and the one of now is erased. */
          overlapMs: z.number().int().min(0).max(LONGEST_OVERLAP_MS).default(WEEK_MS),
        }),
        response: { 200: authoritySchema },
      },
    },
    async ({ body: { overlapMs }, caller }) => {
      const event = { kind: 'ca.rotated', actor: caller.actor, data: { ca: 'host', overlapMs } } as const
      const keys = await auditedChange(audit, event, change => vault.hostAuthority.rotate(overlapMs, change))
      return answer(keys)
    },
  )
}

function answer(keys: readonly HostAuthorityKey[]): HostAuthorityAnswer {
  return {
    keys: keys.map(({ number, publicKey, from }, index) => {
      const next = keys[index + 1]
      return {
        number,
        publicKey,
        signsFrom: isoTime(from),
        signsUntil: next === undefined ? null : isoTime(next.from),
      }
    }),
  }
}
