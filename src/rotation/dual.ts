/** Dual accounts: two logins by turns, so that what is in use stays valid while the other one gets a new credential. */

import type { Account } from '../targets/target.ts'
import { loginOf } from '../targets/target.ts'
import type { CredentialMaterial } from '../vault/lease.ts'
import { purposeOf, type Scene } from './acts/act.ts'
import type { Rotation } from './journal.ts'
import { Opened } from './logins.ts'

/** Of the versions that were in force last so many hold what either login has, also where one was typed or restored out of turn. */
export const KEPT_OF_DUAL = 4
/** Versions that are opened to find out which login they are for. */
const MOST_OPENED = 10
/** Of a login: what it had, and candidates that may have come to the target late. */
const MOST_TRIED = 3

/** As the next candidate is to be: for the login that is not in use. */
export function forNextTurn(account: Account, inForce: CredentialMaterial): CredentialMaterial {
  if (account.logins === undefined) return withoutLogin(inForce)
  const used = loginOf(account, inForce)
  return { ...inForce, login: account.logins.find(login => login !== used)! }
}

function withoutLogin({ login: _, ...material }: CredentialMaterial): CredentialMaterial {
  return material as CredentialMaterial
}

/** Versions for this login, newest first, beside the rotation's candidate; `lent`: those alone that were ever in force. */
export async function versionsBefore(
  scene: Scene,
  rotation: Rotation,
  login: string,
  { lent = false } = {},
): Promise<number[]> {
  const { logins, vault, entry } = scene
  const found: number[] = []
  const others = (await vault.history(rotation)).filter(
    ({ version, inForceAt }) => version !== rotation.candidate && (!lent || inForceAt !== undefined),
  )
  for (const { version } of others.slice(0, MOST_OPENED)) {
    const opened = await logins.open(rotation, version, entry.target, purposeOf(rotation, rotation.way))
    if (!(opened instanceof Opened)) continue
    using one = opened
    if (loginOf(entry.account, one.material) === login) found.push(version)
    if (found.length === MOST_TRIED) break
  }
  return found
}
