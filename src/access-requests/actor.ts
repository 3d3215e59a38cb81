/** Who acts on a request. */

import type { PrincipalFacts } from '../identity/principal.ts'

/** Who acts, as they are known now; `session`: the login in which they do. */
export interface Actor extends PrincipalFacts {
  readonly session?: string | undefined
}

/** As the audit log has them. */
export interface By {
  readonly by: string
  readonly session?: string | undefined
}

export function byOf({ user, session }: Pick<Actor, 'user' | 'session'>): By {
  return { by: user, session }
}
