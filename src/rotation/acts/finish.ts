/** What was in force before is taken away at the target, where the change did not do that already. */

import type { ChangeResult } from '../../session/connector.ts'
import { accountFor, loginOf } from '../../targets/target.ts'
import type { CredentialMaterial } from '../../vault/lease.ts'
import { NOT_TOLD } from '../dependents/dependents.ts'
import { versionsBefore } from '../dual.ts'
import type { Rotation } from '../journal.ts'
import { Opened } from '../logins.ts'
import { withinLimit } from '../time-limit.ts'
import { wordsOfThrown } from '../words.ts'
import { inForce, postpone, purposeOf, type Scene, type Step } from './act.ts'
import { openPrivileged } from './change.ts'
import { tellDependents } from './tell-dependents.ts'

/** Behind what else is to be said of it. */
const NOT_CUT = '[open sessions could not be ended yet] '

export async function finish(scene: Scene, rotation: Rotation): Promise<Step> {
  const { journal, connector, entry, logins, policy, signal } = scene
  const { target, account } = entry
  const [said = ''] = rotation.words.split(NOT_CUT)
  // Told once, and not for each try of a step that has to wait; those that are to end do, whatever comes in between.
  if (policy.openSessions === 'cut') {
    const left = await scene.tellSessions(rotation, 'cut')
    if (left !== undefined) return postpone(scene, rotation, `${said}${NOT_CUT}${left}`)
  } else if (rotation.tries === 0) await scene.tellSessions(rotation, 'tell')
  // They have taken it by now, where that is waited for.
  const before = connector.finish !== undefined && said.startsWith(NOT_TOLD) ? '' : said
  const finished = async (words: string): Promise<Step> => ({
    rotation: await journal.advance(rotation, { type: 'finished' }, [before, words].filter(Boolean).join('; ')),
  })
  if (connector.finish === undefined) return finished('')
  const notTold = await tellDependents(scene, rotation)
  if (typeof notTold !== 'string') return notTold
  // Whoever still has the old one logs in with it until then.
  if (notTold !== '') return postpone(scene, rotation, notTold)
  const purpose = purposeOf(rotation, 'finish')
  const candidate = await logins.open(rotation, rotation.candidate, target, purpose)
  if (!(candidate instanceof Opened)) return postpone(scene, rotation, candidate.words)
  using opened = candidate
  const replaced = await replacedVersion(scene, rotation, opened)
  if (replaced === undefined) return finished('')
  const earlier = await logins.open(rotation, replaced, target, purpose)
  if (!(earlier instanceof Opened)) {
    if (earlier.result === 'withheld') return postpone(scene, rotation, earlier.words)
    return finished(`version ${replaced} may still log in, and cannot be opened to be taken away: ${earlier.words}`)
  }
  using former = earlier
  const lent = await openLent(scene, rotation)
  if (lent instanceof Opened) {
    using one = lent
    if (sameCredential(one.material, former.material))
      return finished(`version ${replaced} is not taken away: what is in force now is the same`)
  } else if (lent.result === 'withheld') return postpone(scene, rotation, lent.words)
  else return finished(`version ${replaced} may still log in, and what is in force cannot be opened: ${lent.words}`)
  using as = await openForFinish(scene, rotation)
  const asked = {
    ...{ target, account: accountFor(account, opened.material), dial: logins.dial(entry, purpose), as: as.login },
    ...{ current: former.material, candidate: opened.material, opened: scene.opened.all },
  }
  const result = await withinLimit<ChangeResult>(
    scene.changeWithinMs,
    signal,
    limit => connector.finish!(asked, limit),
    {
      late: { result: 'uncertain', words: 'it was not over in time' },
      broken: error => ({ result: 'uncertain', words: wordsOfThrown(error) }),
    },
  )
  if (result.result === 'changed') return finished('')
  return postpone(scene, rotation, `version ${replaced} may still log in: ${scene.opened.safe(result.words)}`)
}

/** What is in force: another one than the candidate, where somebody stored it meanwhile. */
async function openLent(scene: Scene, rotation: Rotation) {
  const version = await inForce(scene, rotation)
  return scene.logins.open(rotation, version, scene.entry.target, purposeOf(rotation, 'finish'))
}

function sameCredential(one: CredentialMaterial, other: CredentialMaterial): boolean {
  if (one.login !== other.login) return false
  if (one.kind === 'password')
    return other.kind === 'password' && one.password.revealBytes().equals(other.password.revealBytes())
  if (other.kind !== 'private-key') return false
  const [a, b] = [one.publicKey, other.publicKey]
  if (a !== undefined && b !== undefined) return a.equals(b)
  return one.privateKey.revealBytes().equals(other.privateKey.revealBytes())
}

/** Where the privileged account does not open, the account may still do it by itself. */
async function openForFinish(scene: Scene, rotation: Rotation) {
  const opened = new DisposableStack()
  const { logins, entry } = scene
  const as = await openPrivileged(scene, rotation, async (name, version) => {
    const address = { account: name, target: entry.target.name }
    const one = await logins.open(address, version, entry.target, purposeOf(rotation, 'finish'))
    return one instanceof Opened ? opened.use(one) : one
  })
  const login = as !== undefined && 'material' in as ? as : undefined
  return { login, [Symbol.dispose]: () => opened.dispose() }
}

/** Of a dual account, what its login had before: the other login stays as it is until its own turn. */
async function replacedVersion(scene: Scene, rotation: Rotation, { material }: Opened): Promise<number | undefined> {
  const { account } = scene.entry
  if (account.logins === undefined) return rotation.former
  const [last] = await versionsBefore(scene, rotation, loginOf(account, material), { lent: true })
  return last
}
