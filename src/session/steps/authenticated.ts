/** What the first step of the pipeline gives to the next: who it is, proven. */

import type { Attempt } from '../../identity/authenticator.ts'
import type { Principal } from '../../identity/principal.ts'
import type { LoginName } from '../../shared/names.ts'

export interface Authenticated {
  readonly login: LoginName
  readonly principal: Principal
  /** What the audit log should know of the way there: wrong tries, a remembered code. */
  readonly trail: readonly string[]
  /** Reads the user again: undefined once the user is gone, disabled, or proved less than is now required. */
  readonly renew: () => Promise<Principal | undefined>
  /** For what is opened inside this connection: it begins with what is proven here. */
  readonly attempt: Attempt
}
