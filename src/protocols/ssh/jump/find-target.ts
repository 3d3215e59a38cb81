/** Finds the target that a client asks for by host and port, on a login that names none. Unknown and forbidden look the same. */

import { DENIED } from '../../../policy/decide.ts'
import type { Access } from '../../../session/access.ts'
import type { Login } from '../../../session/run-login.ts'
import { isRefusal, type Refusal, refuse } from '../../../shared/errors.ts'
import { NAME_PATTERN } from '../../../shared/names.ts'
import type { Targets } from '../../../targets/targets.ts'
import type { SshTarget } from '../target.ts'
import { plain } from '../transport/texts.ts'
import { isAddressedBy, isNamedBy, isOurselves } from './target-address.ts'

export interface FoundTarget {
  readonly target: SshTarget
  /** Whether the target has an account of the user's own name that a role of hers speaks of. */
  readonly ownAccount: boolean
}

/** A refusal is in the audit log, and counts among those that a login may have. */
export type FindTarget = (login: Asking, host: string, port: number) => Promise<FoundTarget | Refusal>

type Asking = Pick<Login, 'mayOpen' | 'person' | 'refused'>

/** Others have their turn in between. */
const TARGETS_AT_ONCE = 500

export function createFindTarget({ targets, access }: { targets: Targets; access: Access }): FindTarget {
  async function find(login: Asking, host: string, port: number): Promise<FoundTarget | Refusal> {
    if (!login.mayOpen) {
      return refuse('ACCESS_DENIED', 'The time of this login is over. Log in again.', 'the login has reached its end')
    }
    if (isOurselves(host)) {
      return refuse('ACCESS_DENIED', 'The gateway itself is no target, and nor is its loopback.', 'a loopback address')
    }
    const person = await login.person()
    if (person === undefined) return refuse('ACCESS_DENIED', DENIED, 'the user may not log in any more')
    const knows = await access.known(person)
    const found = (target: SshTarget) => ({ target, ownAccount: knows(target, person.user) })

    const byThisName = await targets.get(NAME_PATTERN.test(host) ? host : '')
    if (byThisName !== undefined && isNamedBy(byThisName, host, port) && knows(byThisName)) return found(byThisName)
    const named: SshTarget[] = []
    const addressed: SshTarget[] = []
    for await (const some of targets.pages(TARGETS_AT_ONCE)) {
      for (const target of some) {
        if (isNamedBy(target, host, port)) named.push(target)
        else if (isAddressedBy(target, host, port)) addressed.push(target)
      }
    }
    for (const candidates of [named, addressed]) {
      const [first, ...others] = candidates.filter(target => knows(target))
      if (first === undefined) continue
      if (others.length === 0) return found(first)
      const names = [first, ...others].map(({ name }) => name).join(', ')
      const message = `Several targets are at this address. Use one of their names: ${names}.`
      return refuse('ACCESS_DENIED', message, 'several targets are at this address')
    }
    const exists = named.length + addressed.length > 0
    return refuse('ACCESS_DENIED', DENIED, exists ? 'no role of the user speaks of it' : 'there is no such target')
  }

  return async (login, host, port) => {
    const found = await find(login, host, port)
    if (isRefusal(found)) login.refused(plain(`${host}:${port}`), found.detail ?? found.message)
    return found
  }
}
