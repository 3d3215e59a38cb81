/** Gives out the one-time codes of shared accounts: none twice, whichever gateway or process asks. */

import { setTimeout } from 'node:timers/promises'
import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import { oneTimeCode, type TotpSeed } from '../shared/one-time-code.ts'
import { Secret } from '../shared/secret.ts'

/** So many logins may wait for a code of their own; a target does not wait longer for one either. */
const MOST_AHEAD = 2

export function createOneTimeCodes({ database, clock }: { database: Database; clock: Clock }) {
  /** Takes the first step from `now` on whose code nobody has; undefined where too many wait already. */
  async function take({ account, target }: AccountAddress, now: number): Promise<number | undefined> {
    const row = await database
      .insertInto('code_steps')
      .values({ account, target, last_step: now })
      .onConflict(conflict =>
        conflict
          .columns(['account', 'target'])
          .doUpdateSet(({ eb, ref }) => ({
            last_step: eb
              .case()
              .when(
                eb.and([
                  eb(ref('code_steps.last_step'), '>=', now),
                  // What lies further ahead was taken by a clock that was wrong, or for codes of another period.
                  eb(ref('code_steps.last_step'), '<=', now + MOST_AHEAD),
                ]),
              )
              .then(eb(ref('code_steps.last_step'), '+', 1))
              .else(now)
              .end(),
          }))
          .where('code_steps.last_step', '!=', now + MOST_AHEAD),
      )
      .returning('last_step')
      .executeTakeFirst()
    return row === undefined ? undefined : Number(row.last_step)
  }

  return {
    /**
     * A code that was never given out, at the time when it is valid: that may take a step or two. Throws `CREDENTIAL_UNAVAILABLE` where too many
     * wait, and what `signal` is aborted with.
     */
    async next(address: AccountAddress, seed: TotpSeed, signal: AbortSignal): Promise<Secret> {
      const periodMs = seed.period * 1000
      const step = await take(address, Math.floor(clock.now() / periodMs))
      if (step === undefined) {
        const text = `Too many logins of ${formatAccountAddress(address)} wait for a one-time code of their own; try again in a minute.`
        throw new GatewayError('CREDENTIAL_UNAVAILABLE', text)
      }
      const waitMs = step * periodMs - clock.now()
      if (waitMs > 0) await setTimeout(waitMs, undefined, { signal })
      return new Secret(oneTimeCode(seed, step))
    },
  }
}
