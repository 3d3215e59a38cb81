/** Rotations in a gateway: put together, gone on with at the start and in rounds, and counted. In the gateway's own process, which has the vault's key. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config/config.ts'
import { createConnectors } from '../rotation/connectors.ts'
import { createDependentStates } from '../rotation/dependents/dependent-states.ts'
import { createDependents } from '../rotation/dependents/dependents.ts'
import { planToTell, TELL_AGAIN_MS, TELL_DEPENDENTS, tellAgain } from '../rotation/dependents/tell-again.ts'
import type { Rotation } from '../rotation/journal.ts'
import type { VersionRetention } from '../rotation/retention.ts'
import { createRotations, type Rotations } from '../rotation/rotations.ts'
import { planAccount } from '../rotation/triggers/plan-rotations.ts'
import { createVerifyAccount } from '../rotation/verify-account.ts'
import type { JobHandler } from '../schedule/job.ts'
import { formatAccountAddress } from '../shared/names.ts'
import { isoMinute } from '../shared/text/iso-time.ts'
import { planParts } from './job-handlers.ts'
import type { GatewayParts } from './parts.ts'
import { createProgramConnectors } from './program-connectors.ts'
import type { ServedProtocols } from './protocols.ts'
import type { RotationParts } from './rotation-parts.ts'
import { tellSessions } from './tell-sessions.ts'

const EVERY_MS = 5000
const CHANGE_WITHIN_MS = 60_000

export interface GatewayRotations {
  readonly rotations: Rotations
  /** Of what the schedule has them do. */
  readonly handlers: Readonly<Record<string, JobHandler>>
  /** Goes on with what is open, now and every few seconds, until what is on `started` is closed. */
  watch(started: AsyncDisposableStack): void
}

/** Throws `CONFIG_INVALID`. */
export function createGatewayRotations(
  parts: GatewayParts,
  { states, journal, logins }: RotationParts,
  { programs }: Config['rotation'],
  served: ServedProtocols,
  retention: Pick<VersionRetention, 'apply'>,
): GatewayRotations {
  const { schedule } = parts
  const { audit, clock, database, log, metrics, outbox, reaper, storeClock, rotationPolicies, vault } = parts
  const dependentStates = createDependentStates({ database, clock })
  const dependents = createDependents({
    ...{ programs, states: dependentStates, outbox, log },
    counted: (program, result) => metrics.dependentsTold.inc({ program, result }),
  })

  async function ended(rotation: Rotation): Promise<void> {
    const { id, state, way, words, startedAt } = rotation
    metrics.rotations.inc({ way, result: state })
    metrics.rotationSeconds.observe({ way, result: state }, Math.max(0, rotation.updatedAt - startedAt) / 1000)
    const facts = { rotation: id, account: formatAccountAddress(rotation), state, ...(words === '' ? {} : { words }) }
    if (state === 'unknown')
      log.error(facts, 'nothing that the vault holds logs in: mend it with `sallyport credential reconcile`')
    else if (state === 'finished') {
      log.info(facts, 'a credential was rotated')
      await planNext(rotation)
      await retention.apply({ account: rotation.account, target: rotation.target })
    } else log.warn(facts, 'a credential was not rotated')
    await count()
    await audit.flush().catch(error => log.warn({ err: error }, 'events of rotations wait in the outbox'))
  }

  /** What its policy wants next. Where that fails, the next round over all accounts does it. */
  async function planNext(rotation: Rotation): Promise<void> {
    await planAccount(planParts(parts), rotation, 0).catch(error =>
      log.warn({ err: error, account: formatAccountAddress(rotation) }, 'the next rotation could not be planned now'),
    )
  }

  async function count(): Promise<void> {
    const counts = await states.counts()
    for (const state of ['failed', 'unknown'] as const) metrics.credentialAccounts.set({ state }, counts[state])
    metrics.dependentsWaiting.set((await dependentStates.failing()).length)
  }

  const rotations = createRotations({
    ...{ journal, outbox, logins, vault, states, log, ended },
    verifyAccount: createVerifyAccount({ outbox, journal, logins, states, vault, clock: storeClock, log }),
    connectors: createConnectors({
      ofProtocol: name => served.of(name).connectors ?? [],
      programs: createProgramConnectors(programs, served.all, log),
    }),
    policyOf: ({ target, account }) => rotationPolicies.of(target, account),
    async tellDependents({ rotation, entry, candidate: { material }, later, opened }, signal) {
      const { by, candidate: version } = rotation
      const words = await dependents.tell({ entry, version, material, by, opened }, signal)
      if (words !== undefined && later)
        await planToTell(schedule, rotation, { by, dueAt: storeClock.now() + TELL_AGAIN_MS })
      return words
    },
    tellSessions: (rotation, openSessions) => tellSessions(parts, rotation, openSessions),
    heldBy: async (address, on) => {
      const held = await parts.checkOuts.heldExclusively(address, on)
      return held && `${held.user} has checked it out until ${isoMinute(held.until)}`
    },
    living: () => reaper.living(),
    changeWithinMs: CHANGE_WITHIN_MS,
    pause: async (ms, signal) => void (await sleep(ms, undefined, { signal })),
  })

  return {
    rotations,
    handlers: { [TELL_DEPENDENTS]: tellAgain({ dependents, logins, vault, states }) },
    watch(started) {
      let running: Promise<void> | undefined
      const round = () => {
        running ??= rotations
          .recover()
          .then(count)
          .catch(error => log.warn({ err: error }, 'the states of credentials could not be counted'))
          .finally(() => {
            running = undefined
          })
      }
      const timer = setInterval(round, EVERY_MS).unref()
      started.defer(async () => {
        clearInterval(timer)
        await rotations.close()
        await running
      })
      round()
    },
  }
}
