/** Tries a version at its target, and notes what was seen with the version and in the audit log. */

import type { AuditLog } from '../../audit/audit-log.ts'
import type { Connector } from '../../session/connector.ts'
import type { ServedProtocol } from '../../session/served-protocol.ts'
import type { Clock } from '../../shared/clock.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { CredentialMaterial } from '../../vault/lease.ts'
import type { Vault } from '../../vault/vault.ts'
import type { AccountStates } from '../account-states.ts'
import { changedElsewhere, verified } from '../events.ts'
import type { Entry, Logins } from '../logins.ts'
import { wordsOfThrown } from '../words.ts'
import type { TriedVersion } from './outcome.ts'

export interface TryParts {
  readonly audit: AuditLog
  readonly logins: Logins
  readonly states: AccountStates
  readonly vault: Pick<Vault, 'noteVerified'>
  readonly served: (protocol: string) => Pick<ServedProtocol, 'connectors' | 'logIn'>
  readonly clock: Clock
}

export interface Try {
  readonly entry: Entry
  readonly version: number
  readonly kind: CredentialMaterial['kind']
  readonly inForce: boolean
  readonly by: string
}

export async function tryVersion(parts: TryParts, wanted: Try, signal: AbortSignal): Promise<TriedVersion> {
  const { audit, logins, states, vault, served, clock } = parts
  const { entry, version, kind, inForce, by } = wanted
  const address = { account: entry.account.name, target: entry.target.name }
  const connector = connectorFor(served(entry.target.protocol), kind)
  const tried = await logins.verify(connector, entry, version, { by, for: 'restore' }, signal)
  signal.throwIfAborted()
  const { result } = tried
  const words = tried.result === 'works' ? '' : tried.words
  if (result === 'damaged' || result === 'withheld') return { version, result, words }
  // What is in force and is refused was changed elsewhere.
  const elsewhere = inForce && result === 'refused'
  const event = elsewhere
    ? changedElsewhere(address, version, by, words)
    : verified(address, version, by, result, words)
  await vault.noteVerified(address, version, { at: clock.now(), result }, write =>
    audit.change(
      async on => {
        const written = await write(on)
        if (inForce) await states.verified(on, address, elsewhere ? 'changed-elsewhere' : result, words)
        return written
      },
      () => event,
    ),
  )
  return { version, result, words }
}

/** The protocol's own for this kind of credential; where it has none, a login that is closed again. */
function connectorFor({ connectors = [], logIn }: ReturnType<TryParts['served']>, kind: CredentialMaterial['kind']) {
  const verify: Connector['verify'] = async (login, signal) => {
    try {
      ;(await logIn(login, signal)).close()
      return { result: 'works' }
    } catch (error) {
      const words = wordsOfThrown(error)
      const refused = error instanceof GatewayError && error.code === 'TARGET_LOGIN_FAILED'
      return { result: refused ? 'refused' : 'unreachable', words }
    }
  }
  return connectors.find(({ kinds }) => kinds.includes(kind)) ?? { verify }
}
