/** Whether a password is the one of a role: a new login with it, by which the server must have asked for it. */

import type { Verification } from '../../../session/connector.ts'
import type { LoginAtTarget } from '../../../session/login-at-target.ts'
import { TargetLoginFailed, TargetRefusal } from '../target-side/target-refusal.ts'
import { connectUpstream, ownParameters } from '../target-side/upstream.ts'
import { wordsOf } from './words.ts'

const INVALID_PASSWORD = '28P01'
/** Of what follows on the password: "is not permitted to log in". */
const AUTHORIZATION = /^28/
/** PgBouncer has this one code for all that it refuses. */
const PROTOCOL_VIOLATION = '08P01'

export async function verifyLogin(login: LoginAtTarget, signal: AbortSignal): Promise<Verification> {
  try {
    const upstream = await connectUpstream(login, target => ownParameters(login, target), signal)
    upstream.close()
    return upstream.startup.proven
      ? { result: 'works' }
      : unreachable('the target lets this account in without asking for its password, so no password can be verified')
  } catch (error) {
    return error instanceof TargetLoginFailed && error.cause instanceof TargetRefusal
      ? judge(error.cause.keeping(login.opened ?? [], false))
      : unreachable(wordsOf(error))
  }
}

function judge(refusal: TargetRefusal): Verification {
  const words = wordsOf(refusal)
  // The password was right; what is missing (a database, a free connection) is missing to every other password too.
  if (refusal.proven) return AUTHORIZATION.test(refusal.sqlstate) ? { result: 'refused', words } : { result: 'works' }
  return refusesPassword(refusal) ? { result: 'refused', words } : unreachable(words)
}

/** "no pg_hba.conf entry" (28000) says nothing of the password, nor does "too many clients". */
function refusesPassword({ sqlstate, words }: TargetRefusal): boolean {
  if (sqlstate === INVALID_PASSWORD) return true
  return sqlstate === PROTOCOL_VIOLATION && /\bauth(?:entication)? failed\b/i.test(words ?? '')
}

function unreachable(words: string): Verification {
  return { result: 'unreachable', words }
}
