/** Rotations of the accounts' credentials: asked for, verified, reconciled, and gone on with after whatever ended the gateway that began one. */

import { createKeyedMutex } from '../shared/concurrency/keyed-mutex.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import type { Vault } from '../vault/vault.ts'
import type { AccountStates } from './account-states.ts'
import { beginRotation, chooseConnector, type Plan } from './begin.ts'
import { ClaimLost, type NewRotation, type Rotation, type RotationFilter } from './journal.ts'
import { outcomeOf, type RotationOutcome, type VerifyOutcome } from './outcome.ts'
import { isOpen, type RotationTrigger } from './rotation.ts'
import { type RunParts, runRotation } from './run-rotation.ts'
import type { VerifyAccount } from './verify-account.ts'

export interface RotationRequest {
  readonly trigger: RotationTrigger
  readonly by: string
  /** Says what would be done, and does nothing. */
  readonly dryRun?: boolean | undefined
}

export interface Rotations {
  /** Throws `NOT_FOUND`, `BAD_REQUEST` and `CREDENTIAL_UNAVAILABLE` where there is nothing that could be rotated. */
  rotate(address: AccountAddress, request: RotationRequest): Promise<RotationOutcome>
  /** Tries what is in force at the target, and notes what came of it. Throws as `rotate`. */
  verify(address: AccountAddress, by: string): Promise<VerifyOutcome>
  /** Where nothing that is kept logs in: another account sets a new one, the reconcile account of the policy. Throws as `rotate`. */
  reconcile(address: AccountAddress, by: string): Promise<RotationOutcome>
  /** Goes on with those that are due and that nobody has in hand. Never rejects. */
  recover(): Promise<void>
  list(filter: RotationFilter): Promise<Rotation[]>
  close(): Promise<void>
}

export interface RotationsParts extends RunParts {
  readonly vault: RunParts['vault'] & Pick<Vault, 'standing' | 'history'>
  readonly states: AccountStates
  readonly verifyAccount: VerifyAccount
  /** The gateways that live; undefined where nobody knows now. */
  readonly living: () => Promise<ReadonlySet<string> | undefined>
  /** Told of each that was closed. */
  readonly ended: (rotation: Rotation) => Promise<void>
  readonly log: Log
}

/** At once, of those that are gone on with. */
const MOST_AT_ONCE = 4

export function createRotations(parts: RotationsParts): Rotations {
  const { journal, logins, vault, states, connectors, verifyAccount, policyOf, heldBy, living, log } = parts
  const running = new Map<string, Promise<Rotation>>()
  const closing = new AbortController()
  const inHand = (): ReadonlySet<string> => new Set(running.keys())
  const withLock = createKeyedMutex()

  /** One after the other of an account; in other gateways the journal sees to it. */
  function alone<T>(address: AccountAddress, work: () => Promise<T>): Promise<T> {
    return withLock(formatAccountAddress(address), work)
  }

  const busyWhereLost = (error: unknown) => {
    if (error instanceof ClaimLost) return BUSY
    throw error
  }

  /** Of one that is claimed. */
  function run(rotation: Rotation): Promise<Rotation> {
    const run = runRotation(parts, rotation, closing.signal)
      .then(async after => {
        if (isOpen(after.state)) return after
        await parts
          .ended(after)
          .catch(error => log.warn({ err: error, rotation: after.id }, 'what follows a rotation failed'))
        return after
      })
      .catch(async error => {
        if (!(error instanceof ClaimLost)) await journal.release(rotation).catch(() => undefined)
        throw error
      })
      .finally(() => running.delete(rotation.id))
    running.set(rotation.id, run)
    return run
  }

  /** Undefined where another gateway has it in hand. */
  async function goOn(rotation: Rotation): Promise<Rotation | undefined> {
    const own = running.get(rotation.id)
    if (own !== undefined) return own
    const claimed = await journal.claim(rotation, await living(), inHand())
    return claimed && run(claimed)
  }

  async function planOf(address: AccountAddress): Promise<Plan> {
    const name = formatAccountAddress(address)
    const entry = await logins.entryOf(address)
    if (entry === undefined) throw new GatewayError('NOT_FOUND', `There is no account ${name}.`)
    const standing = await vault.standing(address)
    if (standing === undefined) throw new GatewayError('NOT_FOUND', `The vault holds no credential for ${name}.`)
    const { unconfirmed, version: former } = standing
    if (unconfirmed !== undefined)
      throw new GatewayError('CONFLICT', `The credential ${name} must be confirmed first: ${unconfirmed}.`)
    const policy = await policyOf(entry)
    const connector = await chooseConnector(parts, entry, former, policy?.connector)
    return { entry, policy, former, connector }
  }

  async function begin(plan: Plan, given: Pick<NewRotation, 'way' | 'trigger' | 'by'>): Promise<RotationOutcome> {
    if (closing.signal.aborted) throw new GatewayError('GATEWAY_STOPPING', 'The gateway is stopping.')
    const rotation = await beginRotation(parts, plan, given)
    if (rotation === undefined) return BUSY
    const after = await run(rotation)
    if (after.state === 'backed-out' && after.changes === 0) {
      const why = (await states.get(after))?.verified_result
      if (why === 'changed-elsewhere') return { result: 'not-started', why, words: after.words }
    }
    return outcomeOf(after)
  }

  /** One that is open is gone on with: what it comes to is the answer. */
  async function ofOpen(address: AccountAddress): Promise<Rotation | 'busy' | undefined> {
    const open = await journal.openOf(address)
    return open && ((await goOn(open)) ?? 'busy')
  }

  async function verify(address: AccountAddress, by: string): Promise<VerifyOutcome> {
    const open = await ofOpen(address)
    const plan = await planOf(address)
    const version = plan.former
    if (open === 'busy') return { result: 'busy', version, words: BUSY.words }
    if (open !== undefined && isOpen(open.state)) return { result: 'unreachable', version, words: open.words }
    const connector = connectors.named(plan.entry.target, plan.connector)!
    return verifyAccount(connector, plan.entry, version, by, closing.signal)
  }

  async function rotate(address: AccountAddress, { trigger, by }: RotationRequest): Promise<RotationOutcome> {
    const held = await heldBy(address)
    if (held !== undefined) return { result: 'not-started', why: 'checked-out', words: held }
    const open = await ofOpen(address)
    if (open === 'busy') return BUSY
    if (open !== undefined) return outcomeOf(open)
    const sick = await lookAtSick(address, by)
    if (sick !== undefined) return sick
    return begin(await planOf(address), { way: 'rotate', trigger, by })
  }

  async function wouldRotate(address: AccountAddress): Promise<RotationOutcome> {
    const held = await heldBy(address)
    if (held !== undefined) return { result: 'not-started', why: 'checked-out', words: held }
    const { connector, policy, former: version } = await planOf(address)
    return { result: 'would-rotate', connector, policy: policy?.name, version }
  }

  async function reconcile(address: AccountAddress, by: string): Promise<RotationOutcome> {
    const held = await heldBy(address)
    if (held !== undefined) return { result: 'not-started', why: 'checked-out', words: held }
    const open = await ofOpen(address)
    if (open === 'busy') return BUSY
    if (open !== undefined && (isOpen(open.state) || open.state === 'finished')) return outcomeOf(open)
    const plan = await planOf(address)
    const { policy } = plan
    if (policy?.reconcile === undefined || policy.reconcile === address.account) {
      const under = policy === undefined ? 'no rotation-policy' : `the policy ${policy.name}, which names none`
      const message = `No reconcile account mends ${formatAccountAddress(address)}: it is under ${under}.`
      throw new GatewayError('BAD_REQUEST', message)
    }
    const tried = await verify(address, by)
    if (tried.result === 'works') {
      const words = `version ${tried.version} logs in; nothing is to be mended`
      return { result: 'not-started', why: 'works', words }
    }
    if (tried.result === 'unreachable') return { result: 'not-started', why: 'unreachable', words: tried.words }
    return begin(plan, { way: 'reconcile', trigger: 'reconcile', by })
  }

  return {
    verify: (address, by) => alone(address, () => verify(address, by)),
    rotate: (address, request) =>
      request.dryRun === true
        ? wouldRotate(address)
        : alone(address, () => rotate(address, request).catch(busyWhereLost)),
    reconcile: (address, by) => alone(address, () => reconcile(address, by).catch(busyWhereLost)),

    async recover() {
      try {
        const left = await journal.left(await living(), inHand())
        const next = left.values()
        const workers = Array.from({ length: MOST_AT_ONCE }, async () => {
          for (const rotation of next) {
            if (closing.signal.aborted) return
            await alone(rotation, () => goOn(rotation)).catch(error => warnOf(rotation, error))
          }
        })
        await Promise.all(workers)
      } catch (error) {
        log.warn({ err: error }, 'open rotations could not be looked for; trying again')
      }
    },

    list: journal.list,

    async close() {
      closing.abort(new GatewayError('GATEWAY_STOPPING', 'The gateway is stopping.'))
      await Promise.allSettled(running.values())
    },
  }

  /** What was last found wrong is looked at again: it is not overwritten, and may be over. */
  async function lookAtSick(address: AccountAddress, by: string): Promise<RotationOutcome | undefined> {
    const state = await states.get(address)
    if (state === undefined || state.state === 'ok') return undefined
    const tried = await verify(address, by)
    if (tried.result === 'works') return undefined
    const why = tried.result === 'changed-elsewhere' && state.state === 'unknown' ? 'unknown' : tried.result
    return { result: 'not-started', why, words: tried.words }
  }

  function warnOf(rotation: Rotation, error: unknown): void {
    if (error instanceof ClaimLost || closing.signal.aborted) return
    const { id, state } = rotation
    log.warn({ err: error, rotation: id, state }, 'a rotation could not be gone on with; trying again')
  }
}

const BUSY = {
  result: 'not-started',
  why: 'busy',
  words: 'another gateway is rotating it now',
} as const satisfies RotationOutcome
