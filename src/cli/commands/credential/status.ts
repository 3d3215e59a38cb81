/** `sallyport credential status`: what is due, overdue, failed, unknown, never verified. */

import type { Command } from 'commander'
import type { ListedStatus, StatusAnswer } from '../../../api/routes/rotations.ts'
import { EXIT } from '../../../shared/exit-codes.ts'
import { formatAccountAddress } from '../../../shared/names.ts'
import { readAccount } from '../../account.ts'
import type { Context } from '../../context.ts'
import { CliError } from '../../exit.ts'
import { dueTime, relativeTime } from '../../terminal/time.ts'

type Condition = keyof StatusAnswer['counts']

interface Options {
  due?: boolean
  overdue?: boolean
  failed?: boolean
  unknown?: boolean
  neverVerified?: boolean
  open?: boolean
  all?: boolean
  target?: string
  after?: string
  limit: string
}

/** What somebody should look at. */
const ATTENTION: readonly Condition[] = ['overdue', 'failed', 'unknown', 'open']

export function addStatus(credential: Command, context: Context): void {
  const { terminal } = context
  credential
    .command('status')
    .description('what is due, overdue, failed, unknown, never verified; without options: what needs attention')
    .argument('[account@target]', 'only this one')
    .option('--due', 'whose rotation is due')
    .option('--overdue', 'and has been for an hour')
    .option('--failed', 'whose last rotation or verification failed')
    .option('--unknown', 'for which nothing that the vault holds logs in')
    .option('--never-verified', 'that never were tried at their target')
    .option('--open', 'whose rotation goes on')
    .option('--all', 'all')
    .option('--target <target>', 'only on this target')
    .option('--after <account@target>', 'behind this one: the next page')
    .option('--limit <count>', 'how many at most, up to 1000', '100')
    .addHelpText('after', '\nWithout an account the exit code is 1 where something is overdue, failed or unknown.')
    .action(async (account: string | undefined, options: Options) => {
      const { all, target, after, limit } = options
      const conditions = conditionsOf(options)
      const answer = await (await context.client()).get<StatusAnswer>('/v1/credentials/status', {
        ...{ target, after, limit, ...(account === undefined ? {} : readAccount(account)) },
        conditions: all || account !== undefined ? undefined : (conditions ?? ATTENTION).join(','),
      })
      const { counts, accounts } = answer
      if (context.json) terminal.json(answer)
      else {
        terminal.line(summary(counts))
        const none = conditions === undefined && !all ? 'Nothing needs attention.' : 'No account matches.'
        show(accounts, none)
        if (accounts.length === Number(limit)) {
          const last = accounts.at(-1)!
          terminal.note(`More: --after ${formatAccountAddress(last)}`)
        }
      }
      if (account === undefined && sick(counts) > 0) throw new CliError(EXIT.no, '')
    })

  function summary(counts: StatusAnswer['counts']): string {
    const parts = (['due', 'overdue', 'failed', 'unknown', 'never-verified', 'open'] as const).map(each => {
      const text = `${counts[each]} ${each.replace('-', ' ')}`
      return counts[each] > 0 && SICK.includes(each) ? terminal.style('red', text) : text
    })
    return `${counts.accounts} ${counts.accounts === 1 ? 'account' : 'accounts'}: ${parts.join(', ')}.`
  }

  function show(accounts: readonly ListedStatus[], none: string): void {
    const now = context.now()
    const time = (at: string | null, never: string) => (at === null ? never : relativeTime(at, now))
    terminal.table(
      [
        { title: 'ACCOUNT', value: formatAccountAddress, shrinkTo: 14 },
        { title: 'STATE', value: stateOf, style: (text, each) => coloured(text, each) },
        { title: 'ROTATED', value: each => time(each.rotatedAt, 'never'), align: 'right' },
        { title: 'VERIFIED', value: each => time(each.verifiedAt, 'never'), align: 'right' },
        { title: 'DUE', value: each => (each.dueAt === null ? '' : dueTime(each.dueAt, now)), align: 'right' },
        { title: 'POLICY', value: each => each.policy ?? '', shrinkTo: 8, optional: 1 },
        { title: 'WORDS', value: each => each.words, shrinkTo: 12, unlessEmpty: true },
      ],
      accounts,
      none,
    )
  }

  function coloured(text: string, { state, overdue }: ListedStatus): string {
    return state !== 'ok' || overdue ? terminal.style('red', text) : text
  }
}

const SICK: readonly Condition[] = ['overdue', 'failed', 'unknown']

function sick(counts: StatusAnswer['counts']): number {
  return SICK.reduce((sum, each) => sum + counts[each], 0)
}

function stateOf({ state, overdue, rotation }: ListedStatus): string {
  if (state !== 'ok') return state
  if (rotation !== null) return rotation.state
  return overdue ? 'overdue' : 'ok'
}

function conditionsOf(options: Options): Condition[] | undefined {
  const { due, overdue, failed, unknown, neverVerified, open } = options
  const asked: readonly (readonly [Condition, boolean | undefined])[] = [
    ['due', due],
    ['overdue', overdue],
    ['failed', failed],
    ['unknown', unknown],
    ['never-verified', neverVerified],
    ['open', open],
  ]
  const conditions = asked.flatMap(([condition, wanted]) => (wanted ? [condition] : []))
  return conditions.length === 0 ? undefined : conditions
}
