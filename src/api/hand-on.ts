/** Nobody hands on, by a role, a user or a token, what they may not do themselves: else who may apply could give themselves everything. */

import { GatewayError } from '../shared/errors.ts'
import { beyond, formatScopes, type Scope } from '../shared/scopes.ts'
import type { Caller } from './authentication.ts'

/** `refused`: what to say of those that are missing. Throws `FORBIDDEN`. */
export function mustHave({ scopes }: Caller, wanted: ReadonlySet<Scope>, refused: (missing: string) => string): void {
  const missing = formatScopes(beyond(wanted, scopes))
  if (missing !== '') throw new GatewayError('FORBIDDEN', refused(missing))
}
