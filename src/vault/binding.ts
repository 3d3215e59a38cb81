/**
 * Binds a credential to the identity of its target: which version is in force, and for which identity somebody with that right confirmed it.
 * Sealed for its account, so that who writes the store can neither make one up nor move it.
 */

import { z } from 'zod'
import { GatewayError } from '../shared/errors.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import { identitySchema, type TargetIdentity } from '../targets/identity.ts'

export interface Binding {
  readonly version: number
  readonly identity: TargetIdentity
}

const bindingSchema = z.strictObject({ version: z.number(), identity: identitySchema })

export interface Sealing {
  readonly seal: (purpose: string, bytes: Buffer) => string
  readonly open: (purpose: string, sealed: string) => Buffer
}

export function sealBinding({ seal }: Sealing, address: AccountAddress, binding: Binding): string {
  return seal(bindingPurpose(address), Buffer.from(JSON.stringify(binding)))
}

/** Throws `VAULT_DAMAGED` or `VAULT_KEY_MISMATCH`. */
export function openBinding({ open }: Sealing, address: AccountAddress, sealed: string): Binding {
  const parsed = bindingSchema.safeParse(JSON.parse(open(bindingPurpose(address), sealed).toString('utf8')))
  if (parsed.success) return parsed.data
  throw new GatewayError('VAULT_DAMAGED', 'It was confirmed by a version of the gateway that this one does not know.')
}

function bindingPurpose(address: AccountAddress): string {
  return `binding of ${formatAccountAddress(address)}`
}
