/** A user as resource files describe one. Passwords and one-time-code secrets are never in a file: see `factors/`. */

import { z } from 'zod'
import { nameSchema } from '../shared/name-schema.ts'

/** Actors of the audit log that are no users: a user of that name would be taken for them. */
const RESERVED = ['owner', 'gateway', 'unknown']

export const userSchema = z.strictObject({
  name: nameSchema.refine(given => !RESERVED.includes(given), 'this name is reserved: the audit log uses it'),
  fullName: z.string().optional(),
  email: z.string().optional(),
  roles: z.array(nameSchema).default([]),
  /** Lines as in authorized_keys, without options: `ssh-ed25519 AAAA… comment`. */
  publicKeys: z.array(z.string()).default([]),
  disabled: z.boolean().default(false),
  /** Where the user comes from, where that is not resource files: they then leave the user alone. */
  source: nameSchema.optional(),
})

/** What a resource file may say of one. */
export const writtenUserSchema = userSchema.omit({ source: true })

export type User = z.output<typeof userSchema>
export type UserInput = z.input<typeof userSchema>
