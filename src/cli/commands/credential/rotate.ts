/** `sallyport credential rotate`, `verify`, `reconcile`: has an account's credential changed or tried at its target, and says what came of it. */

import type { Command } from 'commander'
import type { ListedRotation, Outcome, Verified } from '../../../api/routes/rotations.ts'
import { EXIT } from '../../../shared/exit-codes.ts'
import { formatAccountAddress } from '../../../shared/names.ts'
import { readAccount } from '../../account.ts'
import type { Context } from '../../context.ts'
import { CliError } from '../../exit.ts'
import { dueTime, relativeTime } from '../../terminal/time.ts'
import { type ManyOptions, rotateMany } from './rotate-many.ts'

export function addRotation(credential: Command, context: Context): void {
  const { terminal } = context

  credential
    .command('rotate')
    .description('set a new one at the target, verify it by a login, and put it in force')
    .argument('[account@target]', 'one account; not given: those that the options select, in a batch')
    .option('--selector <name=value...>', 'of targets with these labels; a value may end in *')
    .option('--targets <name...>', "of these targets; a name may end in *: '*' are all")
    .option('--accounts <name...>', 'only these accounts on them')
    .option('--parallel <count>', 'so many at a time (4)')
    .option('--stop-after <count>', 'begin no further account after so many failures')
    .option('--detach', 'do not wait for the end of a batch')
    .option('--dry-run', 'say what would be done, and do nothing')
    .action(async (account: string | undefined, options: ManyOptions) => {
      if (account === undefined) return rotateMany(context, options)
      const { dryRun = false, ...many } = options
      const [other] = Object.keys(many)
      if (other !== undefined)
        throw new CliError(EXIT.usage, 'Options that select accounts, and an account besides: use one of them.')
      show(account, await ask<Outcome>(account, 'rotate', { dryRun }))
    })

  credential
    .command('verify')
    .description('log in at the target with the one in force, and out')
    .argument('<account@target>')
    .action(async (account: string) => {
      const verified = await ask<Verified>(account, 'verify')
      if (context.json) terminal.json(verified)
      const { result, version, words } = verified
      if (result === 'works') {
        if (!context.json)
          terminal.line(`Version ${version} of ${account} logs in${words === '' ? '.' : `: ${words}.`}`)
        return
      }
      if (context.json) throw new CliError(EXIT.no, '')
      throw new CliError(EXIT.no, `${account}: ${VERIFIED[result]}: ${words}`, HINTS[result]?.(account))
    })

  credential
    .command('reconcile')
    .description('where nothing that the vault holds logs in: have the reconcile account of the policy set a new one')
    .argument('<account@target>')
    .action(async (account: string) => show(account, await ask<Outcome>(account, 'reconcile')))

  credential
    .command('rotations')
    .description('which rotations there were, newest first')
    .argument('[account@target]')
    .option('--open', 'only those that go on')
    .option('--before <id>', 'older than this one: the next page')
    .option('--limit <count>', 'how many at most, up to 1000', '50')
    .action(
      async (account: string | undefined, { open, ...page }: { open?: boolean; before?: string; limit: string }) => {
        const answer = await (await context.client()).get<{ rotations: ListedRotation[] }>('/v1/rotations', {
          ...(account === undefined ? {} : readAccount(account)),
          ...page,
          state: open ? 'open' : undefined,
        })
        if (context.json) return terminal.json(answer)
        const now = context.now()
        terminal.table(
          [
            { title: 'ROTATION', value: each => each.id, optional: 3 },
            { title: 'ACCOUNT', value: formatAccountAddress, shrinkTo: 14 },
            { title: 'BEGAN', value: each => relativeTime(each.startedAt, now), align: 'right' },
            { title: 'STATE', value: each => each.state, style: (text, each) => coloured(text, each) },
            { title: 'VERSIONS', value: each => `${each.from} to ${each.to}`, optional: 2 },
            { title: 'WHY', value: each => each.trigger, shrinkTo: 7 },
            { title: 'BY', value: each => each.by, shrinkTo: 5, optional: 1 },
            { title: 'WORDS', value: each => each.words, shrinkTo: 12, unlessEmpty: true },
          ],
          answer.rotations,
          'No rotations match.',
        )
      },
    )

  async function ask<T>(account: string, what: string, body?: unknown): Promise<T> {
    const { account: name, target } = readAccount(account)
    return (await context.client()).send<T>('POST', `/v1/credentials/${target}/${name}/${what}`, body)
  }

  function coloured(text: string, { state }: ListedRotation): string {
    if (state === 'finished') return terminal.style('green', text)
    return state === 'unknown' ? terminal.style('red', text) : text
  }

  /** One that is not rotated ends with the exit code 1. */
  function show(account: string, outcome: Outcome): void {
    if (context.json) terminal.json(outcome)
    const { line, no, hint } = said(account, outcome, context.now())
    if (line !== undefined && !context.json) terminal.line(line)
    if (no !== undefined) throw context.json ? new CliError(EXIT.no, '') : new CliError(EXIT.no, no, hint)
  }
}

/** `no`: why it is not as it was asked for. */
interface Said {
  readonly line?: string
  readonly no?: string
  readonly hint?: string | undefined
}

function said(account: string, outcome: Outcome, now: number): Said {
  switch (outcome.result) {
    case 'rotated': {
      const { version, words } = outcome
      const line = `Version ${version} of ${account} is in force.`
      return words === '' ? { line } : { line, no: `${account}: something beside it went wrong: ${words}` }
    }
    case 'would-rotate': {
      const { version, connector, policy } = outcome
      const under = policy === null ? 'under no policy' : `under the policy ${policy}`
      return { line: `${account} would be rotated by ${connector}, ${under}; version ${version} is in force.` }
    }
    case 'backed-out':
      return {
        no: `${account} was not rotated; what was in force still is. The target: ${outcome.words}`,
        hint: lookAt(account),
      }
    case 'refused':
      return {
        no: `${account} was not rotated: the target refused five candidates. Its words: ${outcome.words}`,
        hint: 'What the target takes belongs into `password` of the rotation-policy: docs/configuration.md#rotation-policies',
      }
    case 'unknown':
      return { no: `${account}: nothing that the vault holds logs in: ${outcome.words}`, hint: mend(account) }
    case 'open': {
      const at = dueTime(outcome.nextAt, now)
      const no = `${account}: the rotation goes on by itself, ${at} at the latest: ${outcome.words}`
      return { no, hint: lookAt(account) }
    }
    case 'not-started': {
      const { why, words } = outcome
      return { no: `${account}: ${NOT_ROTATED[why]}: ${words}`, hint: HINTS[why]?.(account) }
    }
  }
}

const VERIFIED: Record<Exclude<Verified['result'], 'works'>, string> = {
  'changed-elsewhere': 'the target refuses it; somebody changed it there',
  damaged: 'it does not open, and cannot be tried',
  unreachable: 'it could not be tried',
  busy: 'it could not be tried',
}

const NOT_ROTATED: Record<Extract<Outcome, { result: 'not-started' }>['why'], string> = {
  'changed-elsewhere': 'not rotated, because the target refuses what is in force; somebody changed it there',
  unknown: 'not rotated, because nothing that the vault holds logs in',
  damaged: 'not rotated, because what is in force does not open',
  unreachable: 'not rotated, because the target does not answer',
  'checked-out': 'not rotated, because it is checked out',
  busy: 'not rotated',
  works: 'not reconciled',
}

const HINTS: Partial<Record<string, (account: string) => string>> = {
  'changed-elsewhere': mend,
  damaged: mend,
  unknown: mend,
  unreachable: account => `Once the target answers: sallyport credential verify ${account}`,
  'checked-out': account =>
    `Rotate it once it is returned. To end the check-out now: sallyport checkin ${account} --force (scope force-check-in)`,
  busy: lookAt,
}

function lookAt(account: string): string {
  return `How it stands: sallyport credential rotations ${account}`
}

function mend(account: string): string {
  return `Is it an earlier one? sallyport credential restore ${account} --probe\nElse: sallyport credential reconcile ${account}, or store the right one with sallyport credential set ${account}`
}
