/** A decision that may need a one-time code of its moment: the one that was given, or the one of the login that it comes on. */

import type { Secret } from '../shared/secret.ts'
import { NeedsCode } from './check-decider.ts'

export interface CodeParts {
  readonly proveCode: (code: Secret) => Promise<boolean>
  /** Whether they have just logged in with a code that no decision has taken yet; takes it. */
  readonly takeCode: () => boolean
}

/** Undefined: once more, with a code. `decision` throws `NeedsCode` where it is given no `prove` and needs one. */
export async function decideWithCode<Decided>(
  { proveCode, takeCode }: CodeParts,
  decision: (prove?: () => Promise<boolean>) => Promise<Decided>,
  code?: Secret,
): Promise<Decided | undefined> {
  try {
    return await decision(code === undefined ? undefined : () => proveCode(code))
  } catch (error) {
    if (!(error instanceof NeedsCode)) throw error
    return takeCode() ? decision(async () => true) : undefined
  }
}
