/** The job that tells an account's dependents of what is in force, until all have taken it. */

import type { Database } from '../../database/database.ts'
import { type Job, type JobHandler, JobRefused } from '../../schedule/job.ts'
import type { Schedule } from '../../schedule/schedule.ts'
import { GatewayError } from '../../shared/errors.ts'
import { type AccountAddress, formatAccountAddress, parseAccountAddress } from '../../shared/names.ts'
import type { Vault } from '../../vault/vault.ts'
import type { AccountStates } from '../account-states.ts'
import { type Logins, Opened } from '../logins.ts'
import { OpenedSecrets } from '../opened-secrets.ts'
import { type Dependents, NOT_TOLD } from './dependents.ts'

export const TELL_DEPENDENTS = 'tell-dependents'
/** After a first try that some have not taken. */
export const TELL_AGAIN_MS = 5000

/** `by`: who asked for the change. */
export async function planToTell(
  schedule: Pick<Schedule, 'plan'>,
  address: AccountAddress,
  { by, dueAt }: { readonly by: string; readonly dueAt: number },
  on?: Database,
): Promise<void> {
  const key = formatAccountAddress(address)
  await schedule.plan({ kind: TELL_DEPENDENTS, key, dueAt, payload: { by } }, on)
}

interface Parts {
  readonly dependents: Dependents
  readonly logins: Pick<Logins, 'entryOf' | 'during'>
  readonly vault: Pick<Vault, 'standing'>
  readonly states: Pick<AccountStates, 'mended'>
}

export function tellAgain({ dependents, logins, vault, states }: Parts): JobHandler {
  return {
    limit: 4,
    async run(job, signal) {
      const address = parseAccountAddress(job.key)
      if (address === undefined) throw new JobRefused(`${job.key} is not an account.`)
      const entry = await logins.entryOf(address)
      const standing = await vault.standing(address)
      if (entry === undefined || standing === undefined) return undefined
      const by = byOf(job)
      const { version } = standing
      using opened = new OpenedSecrets()
      const one = await logins.during(opened).open(address, version, entry.target, { by, for: 'dependents' })
      if (!(one instanceof Opened)) throw new GatewayError('CREDENTIAL_UNAVAILABLE', one.words)
      using credential = one
      const words = await dependents.tell({ entry, version, material: credential.material, by, opened }, signal)
      if (words !== undefined) throw new GatewayError('CREDENTIAL_UNAVAILABLE', words)
      await states.mended(address, NOT_TOLD)
      return undefined
    },
  }
}

function byOf({ payload }: Job): string {
  const { by } = (payload ?? {}) as { by?: unknown }
  return typeof by === 'string' ? by : 'gateway'
}
