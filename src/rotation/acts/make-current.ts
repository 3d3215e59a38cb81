/** The candidate, which has logged in just now, comes in force in the vault: by compare-and-swap, in one transaction with the journal. */

import type { Change } from '../../database/change.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { Rotation } from '../journal.ts'
import { inForce, postpone, type Scene, type Step } from './act.ts'
import { tellDependents } from './tell-dependents.ts'

export async function makeCurrent(scene: Scene, rotation: Rotation): Promise<Step> {
  const { vault, outbox, journal } = scene
  const words = await tellDependents(scene, rotation)
  if (typeof words !== 'string') return words
  scene.signal.throwIfAborted()
  let after = rotation
  try {
    // Not `rotation.former`: what somebody stored meanwhile is not what logs in, but the candidate is.
    const replacing = await inForce(scene, rotation)
    const change: Change = write =>
      outbox.change(async (on, record) => {
        const written = await write(on)
        if (written === false) return written
        after = await journal.advanceOn(on, record, rotation, { type: 'made-current' }, words)
        const verified = { at: rotation.updatedAt, result: 'works' } as const
        await vault.noteVerified(rotation, rotation.candidate, verified, note => note(on))
        return written
      })
    // Somebody put it in force meanwhile.
    if (replacing === rotation.candidate) await change(async () => true)
    // What was stored after the candidate comes after it: the candidate is then put in force by a copy.
    else if (replacing > rotation.candidate)
      await vault.restoreCredential(rotation, rotation.candidate, rotation.by, change)
    else await vault.makeCurrent(rotation, rotation.candidate, { replacing }, change)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    if (error.code === 'CONFLICT' || error.code === 'VAULT_DAMAGED' || error.code === 'NOT_FOUND')
      return postpone(scene, rotation, `${error.code}: ${error.message}`)
    throw error
  }
  return { rotation: after }
}
