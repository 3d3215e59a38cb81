/** Finds out which credential is in force at the target, by logging in with the candidate and with what was before it. */

import type { Rotation } from '../journal.ts'
import type { Living } from '../rotation.ts'
import { inForce, postpone, type Scene, type Step, verify } from './act.ts'

/** Before both are taken for refused, they are tried once more. */
const SECOND_LOOK_MS = 2000

type Found =
  | { readonly living: Living; readonly words: string; readonly damaged?: boolean }
  | { readonly unanswered: string }

/** `because`: what is said of it where the former is found in force. */
export async function probe(scene: Scene, rotation: Rotation, because?: string): Promise<Step> {
  const { journal, pause, signal } = scene
  const first = await tryBoth(scene, rotation)
  const found = 'living' in first && first.living === 'neither' ? await again() : first
  if ('unanswered' in found) return postpone(scene, rotation, found.unanswered)
  const { living, words } = found
  signal.throwIfAborted()
  // What does not open cannot be sent again.
  if (living === 'former' && found.damaged && rotation.state === 'applying')
    return { rotation: await journal.advance(rotation, { type: 'not-changed' }, words) }
  const said = living === 'former' ? (because ?? words) : words
  const after = await journal.advance(rotation, { type: 'probed', living }, said)
  return after.state === 'applying' ? { rotation: after, next: 'begin-change' } : { rotation: after }

  async function again(): Promise<Found> {
    await pause(SECOND_LOOK_MS, signal)
    return tryBoth(scene, rotation)
  }
}

async function tryBoth(scene: Scene, rotation: Rotation): Promise<Found> {
  const candidate = await verify(scene, rotation, rotation.candidate)
  if (candidate.result === 'works') return { living: 'candidate', words: '' }
  if (candidate.result === 'unreachable' || candidate.result === 'withheld') return { unanswered: candidate.words }
  const damaged = candidate.result === 'damaged'
  const version = await inForce(scene, rotation)
  const former = await verify(scene, rotation, version)
  if (former.result === 'unreachable' || former.result === 'withheld') return { unanswered: former.words }
  const ofCandidate = `version ${rotation.candidate}: ${candidate.words}`
  if (former.result === 'works') return { living: 'former', words: ofCandidate, damaged }
  return { living: 'neither', words: `${ofCandidate}; version ${version}: ${former.words}` }
}
