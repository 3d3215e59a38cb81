/** A user as resource files describe one. Passwords and one-time-code secrets are never in a file: see `factors/`. */

import { z } from 'zod'
import { hoursSchema } from '../shared/hours.ts'
import { nameSchema } from '../shared/name-schema.ts'

/** Actors of the audit log that are no users: a user of that name would be taken for them. */
const RESERVED = ['owner', 'gateway', 'unknown']

const PERSON = /^[A-Za-z0-9._@-]{1,128}$/
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/u

export const userSchema = z.strictObject({
  name: nameSchema.refine(given => !RESERVED.includes(given), 'this name is reserved: the audit log uses it'),
  fullName: z.string().optional(),
  email: z.string().optional(),
  roles: z.array(nameSchema).default([]),
  /** Lines as in authorized_keys, without options: `ssh-ed25519 AAAA… comment`. */
  publicKeys: z.array(z.string()).default([]),
  disabled: z.boolean().default(false),
  /** The user who may approve what this one asks for, where an offer says `manager`. */
  manager: nameSchema.optional(),
  /** Who the person is, where they have several users: the same in each of them. Nobody approves what they ask for by another one. */
  person: z
    .string()
    .regex(
      PERSON,
      'a person is said in letters, digits, ".", "_", "@" and "-", at most 128, as in 4711 or alice@example.com',
    )
    .optional(),
  /** Facts of the person for rules, as in `team: payments`. */
  attributes: z
    .record(
      nameSchema,
      z
        .string()
        .max(256)
        .refine(text => !UNSEEN.test(text), 'an attribute has no control characters'),
    )
    .refine(given => Object.keys(given).length <= 64, 'a user has at most 64 attributes')
    .optional(),
  /** When the user decides on requests of others. Not given: always. */
  workingHours: hoursSchema.optional(),
  /** Where the user comes from, where that is not resource files: they then leave the user alone. */
  source: nameSchema.optional(),
})

/** What a resource file may say of one. */
export const writtenUserSchema = userSchema.omit({ source: true })

export type User = z.output<typeof userSchema>
export type UserInput = z.input<typeof userSchema>
