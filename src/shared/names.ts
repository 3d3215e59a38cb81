/** The names people type: the login name `user+account+target` and the address of an account, `account@target`. */

import { type Refusal, refuse } from './errors.ts'

/** A user, account or target name: letters, digits, `.`, `_`, `-`; 1 to 64 characters; no leading dash or dot. */
export const NAME_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/

export interface LoginName {
  readonly user: string
  readonly account?: string
  readonly target?: string
}

/**
 * Reads `user+account+target`, `user+target` or `user`. A space counts as `+`: JDBC decodes `+` in a URL to a space.
 * Anything that is not a name is refused: it must never reach a path, a query or a log unquoted.
 */
export function parseLoginName(text: string): LoginName | Refusal {
  const parts = text.replaceAll(' ', '+').split('+')
  if (parts.length > 3 || !parts.every(part => NAME_PATTERN.test(part))) {
    return refuse(
      'LOGIN_NAME_INVALID',
      'The login name is not of the form user+account+target, for example alice+root+web-01.',
    )
  }
  const [user, second, third] = parts as [string, string?, string?]
  if (third !== undefined) return { user, account: second!, target: third }
  return second === undefined ? { user } : { user, target: second }
}

export function formatLoginName({ user, account, target }: LoginName): string {
  return [user, account, target].filter(part => part !== undefined).join('+')
}

export interface AccountAddress {
  readonly account: string
  readonly target: string
}

/** Reads `root@web-01`; undefined when it is not of that form. */
export function parseAccountAddress(text: string): AccountAddress | undefined {
  const parts = text.split('@')
  if (parts.length !== 2 || !parts.every(part => NAME_PATTERN.test(part))) return undefined
  return { account: parts[0]!, target: parts[1]! }
}

export function isSameAccount(one: AccountAddress, other: AccountAddress): boolean {
  return one.account === other.account && one.target === other.target
}

export function formatAccountAddress({ account, target }: AccountAddress): string {
  return `${account}@${target}`
}
