/** A target: a host or database that can be reached, its pinned identity, and the accounts on it. */

import { z } from 'zod'
import type { Fields, ProtocolFacts } from '../protocols/facts.ts'
import { type ProtocolName, protocols, type RegisteredProtocol } from '../protocols/registered.ts'
import { duration } from '../shared/durations.ts'
import { messageOf } from '../shared/errors.ts'
import { nameSchema } from '../shared/name-schema.ts'
import { linearPattern } from '../shared/text/linear-pattern.ts'
import { LEVELS } from '../shared/vocabulary.ts'

/** Control characters end a packet's field or steer a terminal; invisible ones make two logins look alike. */
const UNFIT = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Noncharacter_Code_Point}]/u
const MOST_LOGIN_BYTES = 255

const login = z
  .string()
  .min(1)
  .refine(text => Buffer.byteLength(text) <= MOST_LOGIN_BYTES, `a login has at most ${MOST_LOGIN_BYTES} bytes`)
  .refine(text => !UNFIT.test(text), 'a login has no control characters and no invisible ones')

/** Longer is no ticket. */
export const MOST_TICKET = 128

export const ticketPattern = z
  .string()
  .max(256)
  .superRefine((source, context) => {
    try {
      linearPattern(source)
    } catch (error) {
      context.addIssue({ code: 'custom', message: `the pattern of tickets: ${messageOf(error)}` })
    }
  })

/** That the account can be checked out, and how; by whom, the roles say. */
const checkOutSchema = z.strictObject({
  /** By one person at a time, or by several. */
  mode: z.enum(['exclusive', 'shared']).default('exclusive'),
  maxTime: duration.optional(),
  /** Whether sessions need one. */
  required: z.boolean().default(false),
  reason: z.enum(['required', 'optional']).default('optional'),
  /** A ticket of this form is demanded. */
  ticket: ticketPattern.optional(),
  /** Where others have sessions on it when somebody wants it for themselves alone: no; they are told; they end. */
  openSessions: z.enum(['refuse', 'tell', 'end']).default('refuse'),
})
export type CheckOutRule = z.output<typeof checkOutSchema>

const accountFields = z.strictObject({
  name: nameSchema,
  /** The account's name at the target, where it is another: `svc@corp.local`, `Report User`. Sent as it is written here. */
  login: login.optional(),
  /**
   * The two names that it has at the target by turns (dual account): each rotation gives a new credential to the one that is not in use, and
   * has it used. Which of them a credential is for is sealed with it.
   */
  logins: z
    .tuple([login, login])
    .refine(([one, other]) => one !== other, 'logins are two that differ')
    .optional(),
  level: z.enum(LEVELS).default('basic'),
  /** The account that `user+target` means; at most one a target. */
  default: z.boolean().default(false),
  /** Programs of the gateway's configuration that are told of each new credential. */
  dependents: z
    .array(z.strictObject({ program: nameSchema }))
    .max(20)
    .optional(),
  checkOut: checkOutSchema.optional(),
})

export const accountSchema = accountFields.refine(({ login, logins }) => login === undefined || logins === undefined, {
  path: ['logins'],
  message: 'login and logins: an account has one name at its target, or two by turns',
})

const via = z
  .string()
  .regex(
    /^(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,63}@)?[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/,
    'via is the name of an SSH target, or account@target',
  )

const common = {
  name: nameSchema,
  description: z.string().optional(),
  host: z.string().min(1),
  /** The SSH target that connections go through, and as which of its accounts: `bastion-1`, `svc@bastion-1`. */
  via: via.optional(),
  /** It may be an address of the gateway's own machine, or of the last hop's: loopback, link-local. */
  allowLocal: z.boolean().optional(),
  labels: z.record(z.string(), z.string()).default({}),
  accounts: z.array(accountSchema).default([]),
}

/** The entry of a target of one protocol: what all have, and the protocol's own fields. */
type EntrySchema<P extends RegisteredProtocol> = P extends unknown
  ? z.ZodObject<
      Fields<
        typeof common & { protocol: z.ZodLiteral<P['name']>; port: z.ZodDefault<z.ZodNumber> },
        P['target']['fields']
      >,
      z.core.$strict
    >
  : never

function entrySchema({ name: protocol, target: { defaultPort, fields } }: ProtocolFacts) {
  return z.strictObject({
    ...common,
    protocol: z.literal(protocol),
    port: z.number().int().min(1).max(65535).default(defaultPort),
    ...fields,
  })
}

/** Of every registered protocol. */
export const targetSchema = z.lazy(() => {
  const [first, ...others] = protocols().map(entrySchema)
  return z.discriminatedUnion('protocol', [first!, ...others])
}) as unknown as z.ZodType<Target, TargetInput>

/** The name that the target knows the account by; of one that has two by turns, the one that a credential is for. */
export function loginOf(
  { name, login, logins }: Pick<Account, 'name' | 'login' | 'logins'>,
  credential: { readonly login?: string } = {},
): string {
  if (logins === undefined) return login ?? name
  return logins.find(each => each === credential.login) ?? logins[0]
}

/** As an account with one name at the target: the one that this credential is for. */
export function accountFor(account: Account, credential: { readonly login?: string }): Account {
  if (account.logins === undefined) return account
  const { logins: _, ...one } = account
  return { ...one, login: loginOf(account, credential) }
}

export type Target = z.output<EntrySchema<RegisteredProtocol>>
export type TargetInput = z.input<EntrySchema<RegisteredProtocol>>
export type TargetOf<P extends ProtocolName> = Extract<Target, { readonly protocol: P }>
export type Account = z.output<typeof accountSchema>
