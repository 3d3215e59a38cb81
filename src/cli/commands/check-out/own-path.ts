/** What is said of an account to be checked out, and where the API has one's own. */

import type { AccountAddress } from '../../../shared/names.ts'

export interface CheckOutOptions {
  readonly for?: string
  readonly reason?: string
  readonly ticket?: string
  readonly shared?: true
  readonly wait?: true
  readonly reveal?: true
  readonly toAge?: string
  readonly stdin?: true
}

export function ownPath({ target, account }: AccountAddress): string {
  return `/v1/own/check-outs/${encodeURIComponent(target)}/${encodeURIComponent(account)}`
}
