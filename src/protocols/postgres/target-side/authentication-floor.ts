/**
 * What a target may ask for as proof, as its entry says (libpq's `require_auth`): checked before anything that is made from the password
 * leaves. Whoever can change the target's pg_hba.conf would else have the password sent in the clear.
 */

import { GatewayError } from '../../../shared/errors.ts'
import { certifies } from '../facts/certificate.ts'
import type { PostgresTarget } from '../target.ts'

type Method = PostgresTarget['authentication'][number]

const ASKS: Record<Method, string> = {
  'scram-sha-256': 'asks for SCRAM-SHA-256',
  md5: 'asks for an MD5 hash of the password',
  password: 'asks for the password in clear text',
  none: 'lets anybody in without a proof',
}

/** Throws `TARGET_AUTHENTICATION_REFUSED` for what is below the floor. */
export function requireAllowed(target: PostgresTarget, method: Method): void {
  const { name, authentication } = target
  if (!authentication.includes(method)) {
    throw refused(
      `The target ${name} ${ASKS[method]} (${method}); its entry allows ${authentication.join(', ')}. ` +
        'Let it ask for SCRAM (pg_hba.conf, password_encryption), or allow this in its entry: authentication.',
    )
  }
  if ((method === 'password' || method === 'none') && !certifies(target)) {
    throw refused(
      `The target ${name} ${ASKS[method]} (${method}); without a certificate that is checked anybody could: ` +
        'its entry needs tls: verify-full, or verify-ca with a ca of its own.',
    )
  }
}

/** Throws `TARGET_AUTHENTICATION_REFUSED` where the entry asks for channel binding and it cannot be had. */
export function requireBinding(target: PostgresTarget, bound: boolean): void {
  if (target.channelBinding !== 'require' || bound) return
  throw refused(
    `The target ${target.name} offers no channel binding (SCRAM-SHA-256-PLUS over TLS); its entry asks for it: channelBinding: require.`,
  )
}

/** Throws `TARGET_AUTHENTICATION_REFUSED` where a SCRAM challenge is too cheap to be safe, or too dear to be honest. */
export function requireIterations({ name, scramIterations: { min, max } }: PostgresTarget, iterations: number): void {
  if (iterations >= min && iterations <= max) return
  const bound = iterations < min ? `at least ${min} (scramIterations.min)` : `at most ${max} (scramIterations.max)`
  throw refused(`The target ${name} asks for ${iterations} SCRAM iterations; its entry allows ${bound}.`)
}

function refused(message: string): GatewayError {
  return new GatewayError('TARGET_AUTHENTICATION_REFUSED', message)
}
