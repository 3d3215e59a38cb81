/** The one-time codes of accounts that sessions log in to: the seed of a lent credential is kept here until the login is over. */

import type { LentCredential } from '../../session/dialer.ts'
import { GatewayError } from '../../shared/errors.ts'
import { type AccountAddress, formatAccountAddress } from '../../shared/names.ts'
import { type HandedCredential, handOver } from './handed-credential.ts'

/** How long the login at a target, or a hop, may want a code. */
const LOGIN_MS = 5 * 60_000

export interface LentCodes {
  /** Hands a credential over to its receiver; what is not needed any more is erased. */
  handOver(session: string, address: AccountAddress, lent: LentCredential, receiver: Buffer): HandedCredential
  /** Throws `CREDENTIAL_UNAVAILABLE`. */
  next(session: string, address: AccountAddress): Promise<Buffer>
  /** The session has logged in, or has ended. */
  forget(session: string): void
}

interface Kept extends LentCredential {
  readonly over: AbortController
}

export function createLentCodes(): LentCodes {
  const sessions = new Map<string, Map<string, Kept>>()

  function forget(session: string): void {
    for (const { over, erase } of sessions.get(session)?.values() ?? []) {
      over.abort()
      erase()
    }
    sessions.delete(session)
  }

  function keep(session: string, address: AccountAddress, lent: LentCredential): void {
    const over = new AbortController()
    const kept = sessions.get(session) ?? new Map<string, Kept>()
    sessions.set(
      session,
      kept.set(formatAccountAddress(address), { material: lent.material, erase: () => lent.erase(), over }),
    )
    setTimeout(() => over.signal.aborted || forget(session), LOGIN_MS).unref()
  }

  return {
    handOver(session, address, lent, receiver) {
      const { material } = lent
      try {
        return handOver(material, receiver)
      } finally {
        if (material.nextCode === undefined) lent.erase()
        else keep(session, address, lent)
      }
    },
    async next(session, address) {
      const kept = sessions.get(session)?.get(formatAccountAddress(address))
      if (kept === undefined)
        throw new GatewayError('CREDENTIAL_UNAVAILABLE', 'The login that the code would be for is over.')
      return (await kept.material.nextCode!(kept.over.signal)).revealBytes()
    },
    forget,
  }
}
