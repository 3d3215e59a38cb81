/** Whether what somebody has, or waits for, would be given to them by the access of now. */

import type { Access } from '../session/access.ts'
import type { Factor } from '../shared/factors.ts'
import type { Targets } from '../targets/targets.ts'
import type { CheckOut } from './check-out.ts'
import type { QueueEntry } from './rows.ts'

export interface AccessOfNow {
  readonly access: Pick<Access, 'checkOutTerms' | 'known'>
  readonly targets: Pick<Targets, 'getAll'>
  readonly users: {
    get(name: string): Promise<{ readonly roles: readonly string[]; readonly disabled: boolean } | undefined>
  }
}

export function createStillAllowed({ access, targets, users }: AccessOfNow) {
  return {
    /** Whatever they proved, and from wherever they asked: that is asked when it is their turn. */
    async mayWait({ user: name, account, target }: QueueEntry): Promise<boolean> {
      const user = await users.get(name)
      if (user === undefined || user.disabled) return false
      const person = { user: name, roles: user.roles, proven: new Set<Factor>(), sourceAddress: '' }
      const [entry] = await targets.getAll([target])
      return entry !== undefined && (await access.known(person))(entry, account)
    },

    async mayKeep({ user: name, account, target, way, proven, source }: CheckOut): Promise<boolean> {
      const user = await users.get(name)
      if (user === undefined || user.disabled) return false
      const person = { user: name, roles: user.roles, proven, sourceAddress: source }
      const terms = await access.checkOutTerms(person, { account, target })
      return terms.granted && terms.ways.has(way)
    },
  }
}
