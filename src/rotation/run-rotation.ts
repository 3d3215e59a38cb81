/**
 * Takes a rotation from where the journal has it to its end: one act, what came of it stored, the next act. Whoever calls it has claimed it.
 */

import { type ErrorCode, GatewayError } from '../shared/errors.ts'
import { formatAccountAddress } from '../shared/names.ts'
import { type ActParts, postpone, type Scene, type Step } from './acts/act.ts'
import { change } from './acts/change.ts'
import { finish } from './acts/finish.ts'
import { makeCurrent } from './acts/make-current.ts'
import { probe } from './acts/probe.ts'
import type { Connectors } from './connectors.ts'
import { defaultPolicy } from './default-policy.ts'
import { CLAIM_MS, ClaimLost, type Rotation } from './journal.ts'
import type { Entry } from './logins.ts'
import { OpenedSecrets } from './opened-secrets.ts'
import type { RotationPolicy } from './policies/rotation-policy.ts'
import { type Act, nextAct } from './rotation.ts'
import { wordsOfThrown } from './words.ts'

export interface RunParts extends ActParts {
  readonly connectors: Connectors
  /** Undefined: the account is under none. */
  readonly policyOf: (entry: Entry) => Promise<RotationPolicy | undefined>
}

/** What of the vault or the entry is in the way, until somebody mends it. */
const ABOUT_THE_ACCOUNT: ReadonlySet<ErrorCode> = new Set([
  'NOT_FOUND',
  'CONFLICT',
  'BAD_REQUEST',
  'VAULT_DAMAGED',
  'CREDENTIAL_UNAVAILABLE',
])

/** Gives it as it is when there is nothing to do now: closed, or to be tried again later. Throws ClaimLost, and what `signal` aborts for. */
export async function runRotation(parts: RunParts, claimed: Rotation, signal: AbortSignal): Promise<Rotation> {
  using claim = keepClaim(parts, claimed, signal)
  using opened = new OpenedSecrets()
  const withLogins = { ...parts, opened, logins: parts.logins.during(opened) }
  let rotation = claimed
  // What logs in may be another one since it was tried; and that it was, the journal alone says, which is not sealed.
  let act = rotation.state === 'verified' ? 'probe' : nextAct(rotation)
  while (act !== 'nothing') {
    claim.signal.throwIfAborted()
    const step = await take(withLogins, act, rotation, claim.signal).catch(error => {
      if (!(error instanceof GatewayError) || !ABOUT_THE_ACCOUNT.has(error.code)) throw error
      return postpone({ journal: parts.journal, signal: claim.signal }, rotation, wordsOfThrown(error))
    })
    rotation = step.rotation
    act = step.next ?? nextAct(rotation)
  }
  return rotation
}

async function take(
  parts: RunParts & { readonly opened: OpenedSecrets },
  act: Act,
  rotation: Rotation,
  signal: AbortSignal,
): Promise<Step> {
  const { journal, logins, connectors, policyOf } = parts
  const entry = await logins.entryOf(rotation)
  const connector = entry && connectors.named(entry.target, rotation.connector)
  if (entry === undefined || connector === undefined) {
    const gone = entry === undefined ? `account ${formatAccountAddress(rotation)}` : `connector ${rotation.connector}`
    const words = `there is no ${gone} any more`
    if (rotation.state !== 'prepared') return postpone({ journal, signal }, rotation, words)
    return { rotation: await journal.advance(rotation, { type: 'given-up' }, words) }
  }
  const scene: Scene = { ...parts, entry, connector, policy: (await policyOf(entry)) ?? defaultPolicy, signal }
  switch (act) {
    case 'begin-change':
      return change(scene, rotation)
    case 'probe':
      return probe(scene, rotation)
    case 'make-current':
      return makeCurrent(scene, rotation)
    case 'finish':
      return finish(scene, rotation)
    case 'nothing':
      return { rotation, next: 'nothing' }
  }
}

/** Renews the claim while the rotation runs; its signal aborts when that is lost. */
function keepClaim({ journal }: RunParts, rotation: Rotation, signal: AbortSignal) {
  const lost = new AbortController()
  const timer = setInterval(() => {
    journal.renew(rotation).then(
      kept => kept || lost.abort(new ClaimLost(`another gateway goes on with ${rotation.id}`)),
      // The store cannot be reached: the next try comes in time, or the next transition fails.
      () => undefined,
    )
  }, CLAIM_MS / 4).unref()
  return {
    signal: AbortSignal.any([signal, lost.signal]),
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
