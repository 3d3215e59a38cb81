/** What the acts of a rotation have in common: what they are made of, and what may come of one. */

import type { Outbox } from '../../audit/chain/outbox.ts'
import type { Database } from '../../database/database.ts'
import type { Connector } from '../../session/connector.ts'
import { GatewayError } from '../../shared/errors.ts'
import { type AccountAddress, formatAccountAddress } from '../../shared/names.ts'
import type { Vault } from '../../vault/vault.ts'
import type { AccountStates } from '../account-states.ts'
import { type Journal, LONGEST_PAUSE_MS, type Rotation } from '../journal.ts'
import type { Entry, Logins, Opened, Purpose, Tried } from '../logins.ts'
import type { OpenedSecrets } from '../opened-secrets.ts'
import type { RotationPolicy } from '../policies/rotation-policy.ts'
import type { Act } from '../rotation.ts'

export interface ActParts {
  readonly journal: Journal
  readonly outbox: Outbox
  readonly logins: Logins
  readonly states: Pick<AccountStates, 'verified'>
  readonly vault: Pick<
    Vault,
    'standing' | 'history' | 'versionInForce' | 'prepareVersion' | 'makeCurrent' | 'noteVerified' | 'restoreCredential'
  >
  /** Where else the credential is written is told of the new one. Gives what went wrong there, in words; `later`: it is then told again by a job. */
  readonly tellDependents: (
    told: {
      readonly rotation: Rotation
      readonly entry: Entry
      readonly candidate: Opened
      readonly later: boolean
      readonly opened: OpenedSecrets
    },
    signal: AbortSignal,
  ) => Promise<string | undefined>
  /** Who has it checked out for themselves alone, in words; undefined: nobody, and in a transaction, until that is over. */
  readonly heldBy: (address: AccountAddress, on?: Database) => Promise<string | undefined>
  /** Open sessions that have the old one hear of it, or end. Gives why not all of them did; undefined: they did. */
  readonly tellSessions: (
    rotation: Rotation,
    openSessions: RotationPolicy['openSessions'],
  ) => Promise<string | undefined>
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>
  /** How long a connector may take for a change. */
  readonly changeWithinMs: number
}

/** Of one rotation, as things are now. */
export interface Scene extends ActParts {
  /** By these logins, and others of the same rotation before. */
  readonly opened: OpenedSecrets
  readonly entry: Entry
  readonly connector: Connector
  readonly policy: RotationPolicy
  /** Aborted when the gateway stops, or another one goes on with the rotation. */
  readonly signal: AbortSignal
}

/** `next`: what is to be done at once, where it does not follow from the state. */
export interface Step {
  readonly rotation: Rotation
  readonly next?: Act
}

const FIRST_PAUSE_MS = 5000

/** Nothing is known now: it stays open, and is tried again after a pause that grows. */
export async function postpone(
  { journal, signal }: Pick<Scene, 'journal' | 'signal'>,
  rotation: Rotation,
  words: string,
): Promise<Step> {
  // What was cut by our own end says nothing of the target.
  signal.throwIfAborted()
  const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(rotation.tries, 20))
  return { rotation: await journal.postpone(rotation, words, pause * (0.75 + Math.random() / 4)), next: 'nothing' }
}

export function purposeOf(rotation: Rotation, what: Purpose['for']): Purpose {
  return { by: rotation.by, for: what, rotation: rotation.id }
}

/** What logs in unless the candidate does. Throws `CREDENTIAL_UNAVAILABLE`. */
export async function inForce({ vault }: Pick<Scene, 'vault'>, rotation: Rotation): Promise<number> {
  const version = await vault.versionInForce(rotation)
  if (version !== undefined) return version
  const message = `Nothing says which version of ${formatAccountAddress(rotation)} is in force.`
  throw new GatewayError('CREDENTIAL_UNAVAILABLE', message)
}

export function verify(scene: Scene, rotation: Rotation, version: number): Promise<Tried> {
  return scene.logins.verify(scene.connector, scene.entry, version, purposeOf(rotation, 'verify'), scene.signal)
}
