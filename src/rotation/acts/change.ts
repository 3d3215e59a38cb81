/** Sends the candidate to the target. That it is about to is in the journal before; what comes of it is decided by logins. */

import type { AccountLogin, ChangeResult, CredentialChange } from '../../session/connector.ts'
import { accountFor, loginOf } from '../../targets/target.ts'
import { makeCandidate } from '../candidate.ts'
import { versionsBefore } from '../dual.ts'
import { changedElsewhere } from '../events.ts'
import type { Rotation, WithTransition } from '../journal.ts'
import { Opened } from '../logins.ts'
import { MOST_CANDIDATES } from '../rotation.ts'
import { newestVersion } from '../stored-version.ts'
import { withinLimit } from '../time-limit.ts'
import { wordsOfThrown } from '../words.ts'
import { inForce, postpone, purposeOf, type Scene, type Step, verify } from './act.ts'
import { probe } from './probe.ts'

/** Somebody has taken the account since it was asked. */
class Taken extends Error {}

/** Who has the account alone, in words, where they took it while what is in force was tried. */
function begin({ journal, heldBy }: Scene, prepared: Rotation): Promise<Rotation | string> {
  const free: WithTransition = async on => {
    const holder = prepared.state === 'prepared' ? await heldBy(prepared, on) : undefined
    if (holder !== undefined) throw new Taken(holder)
  }
  return journal.advance(prepared, { type: 'change-begins' }, '', free).catch(error => {
    if (error instanceof Taken) return error.message
    throw error
  })
}

export async function change(scene: Scene, prepared: Rotation): Promise<Step> {
  const { entry, logins, signal } = scene
  const { target, account } = entry
  if (prepared.state === 'prepared') {
    const holder = await scene.heldBy(prepared)
    if (holder !== undefined) return postpone(scene, prepared, holder)
  }
  if (prepared.state === 'prepared' && prepared.way === 'rotate') {
    const held = await lookAtFormer(scene, prepared)
    if (held !== undefined) return held
  }
  const replaced = await replacedMeanwhile(scene, prepared)
  if (replaced !== undefined) return replaced
  using opened = new DisposableStack()
  const open = async (name: string, version: number) => {
    const one = await logins.open(
      { account: name, target: target.name },
      version,
      target,
      purposeOf(prepared, prepared.way),
    )
    return one instanceof Opened ? opened.use(one) : one
  }
  const candidate = await open(account.name, prepared.candidate)
  const current = prepared.way === 'rotate' ? await openReplaced(scene, prepared, candidate, open) : undefined
  const as = await openPrivileged(scene, prepared, open)
  for (const each of [candidate, current, as])
    if (each !== undefined && 'words' in each) return notSent(scene, prepared, each.words)

  signal.throwIfAborted()
  const rotation = await begin(scene, prepared)
  if (typeof rotation === 'string') return postpone(scene, prepared, rotation)
  const asked: CredentialChange = {
    ...{
      target,
      account: accountFor(account, (candidate as Opened).material),
      dial: logins.dial(entry, purposeOf(rotation, rotation.way)),
    },
    candidate: (candidate as Opened).material,
    current: (current as Opened | undefined)?.material,
    as: as as AccountLogin | undefined,
    attempt: rotation.attempt,
    opened: scene.opened.all,
  }
  const result = await withinLimit<ChangeResult>(
    scene.changeWithinMs,
    signal,
    limit => scene.connector.change(asked, limit),
    {
      late: { result: 'uncertain', words: 'the change was not over in time' },
      broken: error => ({ result: 'uncertain', words: wordsOfThrown(error) }),
    },
  )
  const words = result.result === 'changed' ? '' : scene.opened.safe(result.words)
  return interpret(scene, rotation, result.result, words)
}

/**
 * A version that is not above the one in force is no candidate any more, whatever the journal says: somebody stored another meanwhile, or the
 * journal was changed by hand, and people may know what was lent once. Comes after a look at what logs in, wherever it may have been sent.
 */
async function replacedMeanwhile(scene: Scene, rotation: Rotation): Promise<Step | undefined> {
  const { journal, vault } = scene
  const { candidate, state } = rotation
  const unconfirmed = (await vault.standing(rotation))?.unconfirmed
  if (unconfirmed !== undefined) return notSent(scene, rotation, unconfirmed)
  const version = await inForce(scene, rotation)
  if (candidate > version) return undefined
  const words = `version ${version} is in force, and version ${candidate} is no candidate for what follows it`
  return {
    rotation: await journal.advance(rotation, { type: state === 'prepared' ? 'given-up' : 'not-changed' }, words),
  }
}

/** What the candidate takes the place of: the version in force; of a dual account the one of the login whose turn it is, where one works. */
async function openReplaced(
  scene: Scene,
  rotation: Rotation,
  candidate: Opened | { readonly words: string },
  open: (name: string, version: number) => Promise<Opened | { readonly words: string }>,
): Promise<Opened | { readonly words: string } | undefined> {
  const { account } = scene.entry
  if (account.logins === undefined || !(candidate instanceof Opened)) {
    return open(account.name, await inForce(scene, rotation))
  }
  for (const version of await versionsBefore(scene, rotation, loginOf(account, candidate.material))) {
    if ((await verify(scene, rotation, version)).result === 'works') return open(account.name, version)
  }
  return undefined
}

/** Undefined where the version in force logs in: then it may be replaced. */
async function lookAtFormer(scene: Scene, rotation: Rotation): Promise<Step | undefined> {
  const version = await inForce(scene, rotation)
  const tried = await verify(scene, rotation, version)
  const giveUp = (also?: WithTransition) =>
    scene.journal.advance(rotation, { type: 'given-up' }, 'words' in tried ? tried.words : '', also)
  switch (tried.result) {
    case 'works':
      return undefined
    case 'unreachable':
    case 'withheld':
      return postpone(scene, rotation, tried.words)
    // Somebody changed it at the target: that is not overwritten without being asked for.
    case 'refused':
      return { rotation: await giveUp(noteChangedElsewhere(scene, version, tried.words)) }
    case 'damaged':
      return { rotation: await giveUp() }
  }
}

function noteChangedElsewhere({ states }: Scene, version: number, words: string): WithTransition {
  return async (on, record, rotation) => {
    await states.verified(on, rotation, 'changed-elsewhere', words)
    record(changedElsewhere(rotation, version, rotation.by, words))
  }
}

/** The account that makes the change, where the policy names one. */
export async function openPrivileged(
  { entry, policy, vault }: Scene,
  rotation: Rotation,
  open: (name: string, version: number) => Promise<Opened | { readonly words: string }>,
): Promise<AccountLogin | { readonly words: string } | undefined> {
  const { reconcile } = policy
  if (reconcile === undefined || reconcile === rotation.account) return undefined
  const account = entry.target.accounts.find(({ name }) => name === reconcile)
  const standing = account && (await vault.standing({ account: reconcile, target: entry.target.name }))
  if (account === undefined || standing === undefined)
    return { words: `the reconcile account ${reconcile} has no credential on ${entry.target.name}` }
  const opened = await open(reconcile, standing.version)
  return opened instanceof Opened
    ? { account: accountFor(account, opened.material), material: opened.material }
    : opened
}

/** Something that the change needs does not open. */
async function notSent(scene: Scene, rotation: Rotation, words: string): Promise<Step> {
  if (rotation.state !== 'prepared') return postpone(scene, rotation, words)
  return { rotation: await scene.journal.advance(rotation, { type: 'given-up' }, words) }
}

async function interpret(
  scene: Scene,
  rotation: Rotation,
  result: ChangeResult['result'],
  words: string,
): Promise<Step> {
  switch (result) {
    case 'changed':
      return { rotation: await scene.journal.advance(rotation, { type: 'changed' }) }
    case 'uncertain':
      return probe(scene, rotation, words)
    case 'candidate-refused':
      if (rotation.way === 'rotate' && !(await formerWorks(scene, rotation))) return probe(scene, rotation, words)
      return replaceCandidate(scene, rotation, words)
    case 'not-changed':
      // First: where it is true, no login fails at the target.
      if (rotation.way === 'reconcile' || !(await formerWorks(scene, rotation))) return probe(scene, rotation, words)
      return { rotation: await scene.journal.advance(rotation, { type: 'not-changed' }, words) }
  }
}

async function formerWorks(scene: Scene, rotation: Rotation): Promise<boolean> {
  return (await verify(scene, rotation, await inForce(scene, rotation))).result === 'works'
}

/** Another one is stored in its place, in one transaction with that the target refused it. */
async function replaceCandidate(scene: Scene, rotation: Rotation, words: string): Promise<Step> {
  const { journal, logins, vault, outbox, entry, policy } = scene
  if (rotation.attempt >= MOST_CANDIDATES)
    return { rotation: await journal.advance(rotation, { type: 'candidate-refused', replacement: undefined }, words) }
  const refused = await logins.open(rotation, rotation.candidate, entry.target, purposeOf(rotation, rotation.way))
  if (!(refused instanceof Opened)) return postpone(scene, rotation, refused.words)
  using like = refused
  using next = new Opened(await makeCandidate(like.material, policy.password))
  let after = rotation
  const by = { by: rotation.by, cause: 'rotated', trigger: rotation.trigger } as const
  await vault.prepareVersion(rotation, next.material, by, write =>
    outbox.change(async (on, record) => {
      const written = await write(on)
      if (written === false) return written
      const replacement = await newestVersion(on, rotation)
      after = await journal.advanceOn(on, record, rotation, { type: 'candidate-refused', replacement }, words)
      return written
    }),
  )
  return { rotation: after }
}
