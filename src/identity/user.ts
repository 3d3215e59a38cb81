/** A user as resource files describe one. Passwords and one-time-code secrets are never in a file: see `factors/`. */

import { z } from 'zod'
import { NAME_PATTERN } from '../shared/names.ts'

const name = z.string().regex(NAME_PATTERN, 'a name has letters, digits, ".", "_" and "-", at most 64')

export const userSchema = z.strictObject({
  name,
  fullName: z.string().optional(),
  email: z.string().optional(),
  roles: z.array(name).default([]),
  /** Lines as in authorized_keys, without options: `ssh-ed25519 AAAA… comment`. */
  publicKeys: z.array(z.string()).default([]),
  disabled: z.boolean().default(false),
})

export type User = z.output<typeof userSchema>
export type UserInput = z.input<typeof userSchema>
