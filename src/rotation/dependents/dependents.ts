/** Where else an account's credential is written: programs that are told of the new one, each once for a version, and again until it took it. */

import type { Outbox } from '../../audit/chain/outbox.ts'
import type { Log } from '../../shared/log.ts'
import { type AccountAddress, formatAccountAddress } from '../../shared/names.ts'
import { type Account, accountFor } from '../../targets/target.ts'
import type { CredentialMaterial } from '../../vault/lease.ts'
import type { Entry } from '../logins.ts'
import type { OpenedSecrets } from '../opened-secrets.ts'
import { askProgram } from '../program/ask-program.ts'
import { isMeantFor } from '../program/meant-for.ts'
import type { Program } from '../program/run-program.ts'
import type { DependentStates } from './dependent-states.ts'

export interface DependentProgram extends Program {
  /** Accounts that it may be told of, as `app@orders`; one `*` stands for any text. */
  readonly dependentsOf: readonly string[]
}

export interface Told {
  readonly entry: Entry
  readonly version: number
  readonly material: CredentialMaterial
  /** Who asked for the change. */
  readonly by: string
  /** For the same purpose: its words must hold none of it. */
  readonly opened: OpenedSecrets
}

export interface Dependents {
  /** Tells those that do not have this version. Gives what went wrong, in words; undefined: all have it. */
  tell(told: Told, signal: AbortSignal): Promise<string | undefined>
}

interface Parts {
  readonly programs: Readonly<Record<string, DependentProgram>>
  readonly states: DependentStates
  readonly outbox: Outbox
  /** Told of each attempt. */
  readonly counted: (program: string, result: 'told' | 'not-told') => void
  readonly log: Log
}

export function createDependents({ programs, states, outbox, counted, log }: Parts): Dependents {
  /** Undefined: it has it. */
  async function tellOne(
    name: string,
    { entry, version, material, opened }: Told,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const address = addressOf(entry)
    const program = Object.hasOwn(programs, name) ? programs[name] : undefined
    if (program === undefined) return `rotation.programs of this gateway has no ${name}`
    if (!isMeantFor(program.dependentsOf, address)) {
      return `it is not meant for this account: rotation.programs.${name}.dependentsOf`
    }
    const { target, account } = entry
    const request = {
      action: 'tell',
      target,
      account: accountFor(account, material),
      credential: material,
      credentialVersion: version,
      opened: opened.all,
    } as const
    const answer = await askProgram({ ...program, name }, request, signal, log)
    return answer.kind === 'answered' && answer.result === 'told' ? undefined : answer.words || 'it gave no reason'
  }

  async function note(program: string, { entry, version, by }: Told, words: string | undefined): Promise<void> {
    const address = addressOf(entry)
    const data = { account: formatAccountAddress(address), program, version }
    await outbox.change(async (on, record) => {
      if (words === undefined) {
        await states.told(on, address, program, version)
        record({ kind: 'dependent.told', actor: by, data })
      } else {
        await states.failed(on, address, program, { version, words })
        record({ kind: 'dependent.not-told', actor: by, data: { ...data, words } })
      }
    })
    counted(program, words === undefined ? 'told' : 'not-told')
  }

  return {
    async tell(told, signal) {
      const address = addressOf(told.entry)
      const named = dependentsOf(told.entry.account)
      const known = await states.of(address)
      const missing = named.filter(
        program => !known.some(has => has.program === program && hasVersion(has, told.version)),
      )
      if (known.some(({ program }) => !named.includes(program))) {
        await outbox.change(on => states.forgetOthers(on, address, named))
      }
      const wrong: string[] = []
      for (const program of missing) {
        signal.throwIfAborted()
        const words = await tellOne(program, told, signal)
        // What was cut by our own end says nothing of the program.
        if (words !== undefined) signal.throwIfAborted()
        await note(program, told, words)
        if (words !== undefined) wrong.push(`${program}: ${words}`)
      }
      return wrong.length === 0 ? undefined : `${NOT_TOLD}${wrong.join('; ')}`
    },
  }
}

/** Words of a rotation that begin so are of its dependents alone. */
export const NOT_TOLD = 'dependents have not taken it: '

export function dependentsOf({ dependents = [] }: Pick<Account, 'dependents'>): string[] {
  return dependents.map(({ program }) => program)
}

function hasVersion({ version, failed }: { version: number | undefined; failed: unknown }, wanted: number): boolean {
  return version === wanted && failed === undefined
}

function addressOf({ target, account }: Entry): AccountAddress {
  return { account: account.name, target: target.name }
}
