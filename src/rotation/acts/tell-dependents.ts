/** Where else an account's credential is written hears of the candidate, which has logged in: before what was before it is given up. */

import { dependentsOf } from '../dependents/dependents.ts'
import type { Rotation } from '../journal.ts'
import { Opened } from '../logins.ts'
import { postpone, purposeOf, type Scene, type Step } from './act.ts'

/** What went wrong there, in words; nothing where all have it. */
export async function tellDependents(scene: Scene, rotation: Rotation): Promise<string | Step> {
  const { logins, entry, connector, signal } = scene
  if (dependentsOf(entry.account).length === 0) return ''
  const candidate = await logins.open(rotation, rotation.candidate, entry.target, purposeOf(rotation, 'dependents'))
  if (!(candidate instanceof Opened)) return postpone(scene, rotation, candidate.words)
  using opened = candidate
  // A step that waits for them tells them again by itself.
  const later = connector.finish === undefined
  return (await scene.tellDependents({ rotation, entry, candidate: opened, later, opened: scene.opened }, signal)) ?? ''
}
