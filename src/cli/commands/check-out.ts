/** `sallyport checkout`, `checkin`, `extend`, `checkouts`: one's own by a personal token; those of everybody for whoever may see them. */

import { type CheckOutDocument, notYetShown } from '../../check-out/check-out.ts'
import type { WaitingDocument } from '../../check-out/own-check-outs.ts'
import { untilMinute } from '../../check-out/words.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import { isoMinute } from '../../shared/text/iso-time.ts'
import { readAccount } from '../account.ts'
import type { Client } from '../client.ts'
import type { AddCommands, Context } from '../context.ts'
import { CliError } from '../exit.ts'
import { type CheckOutOptions, ownPath } from './check-out/own-path.ts'
import { showRevealed } from './check-out/reveal.ts'
import { takeWhenFree } from './check-out/take.ts'

export const addCheckOuts: AddCommands = (program, context) => {
  const { terminal } = context

  program
    .command('checkout')
    .description('have an account for a time: account@target, or list')
    .argument('<account>', 'root@web-01, or list')
    .option('--for <duration>', 'how long: 30m, 2h')
    .option('--reason <text>', 'why')
    .option('--ticket <id>', 'for which ticket')
    .option('--shared', 'only together with others')
    .option('--wait', 'join the queue, and have it when it is free')
    .option('--reveal', 'see its credential, once, on this terminal')
    .option('--to-age <key>', 'its credential, encrypted for a public key of age')
    .option('--stdin', 'the one-time code for --reveal and --to-age from standard input')
    .action(async (account: string, options: CheckOutOptions) => {
      if (account === 'list') return list(context, {})
      const address = readAccount(account)
      if (options.reveal && (!terminal.interactive || context.json))
        throw new CliError(
          EXIT.usage,
          '--reveal shows the credential on a terminal alone, and not as JSON.',
          'Have it encrypted for yourself: --to-age age1...',
        )
      const client = await context.client()
      const reveals = options.reveal === true || options.toAge !== undefined
      const checkOut =
        (reveals && notYetShown(await ownOf(client), address)) ||
        (await takeWhenFree(context, client, address, options))
      if (!reveals) return show(context, checkOut)
      await showRevealed(context, client, address, options)
    })

  program
    .command('checkin')
    .description('give an account back; with --force, that of somebody else')
    .argument('<account>', 'root@web-01, or with --force the id of a check-out')
    .option('--force', 'end the check-out of somebody else')
    .action(async (account: string, { force }: { force?: true }) => {
      const client = await context.client()
      const ended = force
        ? await client.send<CheckOutDocument>('POST', `/v1/check-outs/${await idOf(client, account)}/check-in`)
        : await client.send<CheckOutDocument>('POST', `${ownPath(readAccount(account))}/check-in`)
      if (context.json) return terminal.json(ended)
      const whose = force ? ` of ${ended.user}` : ''
      terminal.line(
        `Returned ${formatAccountAddress(ended)}${whose}.${ended.revealedAt === null ? '' : ' Its credential is changed now.'}`,
      )
    })

  program
    .command('extend')
    .description('have an account for longer')
    .argument('<account>', 'root@web-01')
    .option('--for <duration>', 'how much longer: 30m, 1h')
    .action(async (account: string, { for: duration }: { for?: string }) => {
      const client = await context.client()
      show(context, await client.send('POST', `${ownPath(readAccount(account))}/extend`, { for: duration }))
    })

  program
    .command('checkouts')
    .description('who has which account: your own, or with `read` those of everybody')
    .option('--ended', 'those that are over, too')
    .option('--user <user>')
    .option('--target <target>')
    .option('--limit <n>', 'at most so many', '100')
    .action((filters: Filters) => list(context, filters))
}

interface Filters {
  readonly ended?: true
  readonly user?: string
  readonly target?: string
  readonly limit?: string
}

interface Answer {
  readonly checkOuts: CheckOutDocument[]
  /** Of one's own. */
  readonly waiting?: WaitingDocument[]
}

async function list(context: Context, { ended, user, target, limit }: Filters): Promise<void> {
  const { terminal } = context
  const client = await context.client()
  const own = client.own?.has('check-outs')
  const answer: Answer = own
    ? await client.get('/v1/own/check-outs')
    : await client.get('/v1/check-outs', {
        user,
        target,
        limit,
        state: ended ? undefined : 'open',
      })
  if (context.json) return terminal.json(answer)
  for (const one of answer.waiting ?? []) {
    const turn = one.offeredUntil === null ? 'you wait for it' : `it is your turn until ${minuteOf(one.offeredUntil)}`
    terminal.note(`${formatAccountAddress(one)}: ${turn}`)
  }
  terminal.table(
    [
      { title: 'ACCOUNT', value: one => formatAccountAddress(one), shrinkTo: 16 },
      ...(own ? [] : [{ title: 'USER', value: (one: CheckOutDocument) => one.user, shrinkTo: 8 }]),
      { title: 'STATE', value: one => one.endReason ?? (one.revealedAt === null ? one.mode : `${one.mode}, seen`) },
      { title: 'UNTIL', value: one => untilMinute(one) },
      {
        title: 'WHY',
        value: one => [one.ticket, one.reason].filter(text => text !== null).join(' '),
        shrinkTo: 8,
        optional: 1,
        unlessEmpty: true,
      },
      { title: 'ID', value: one => one.id, optional: 2 },
    ],
    answer.checkOuts.filter(one => ended || one.endedAt === null),
    'No account is checked out.',
  )
}

function show(context: Context, checkOut: CheckOutDocument): void {
  if (context.json) {
    context.terminal.json(checkOut)
    return
  }
  const { user, account, target, until } = checkOut
  context.terminal.line(
    `${formatAccountAddress(checkOut)} is yours until ${minuteOf(until)}: log in as ${user}+${account}+${target}`,
  )
}

/** As `ssh alice@gateway checkouts` and refusals say it. */
function minuteOf(iso: string): string {
  return isoMinute(Date.parse(iso))
}

/** One's own, those that have ended lately too. */
async function ownOf(client: Client): Promise<CheckOutDocument[]> {
  const { checkOuts } = await client.get<{ checkOuts: CheckOutDocument[] }>('/v1/own/check-outs')
  return checkOuts
}

/** Of an account, where it is one check-out's alone. */
async function idOf(client: Client, text: string): Promise<string> {
  if (text.startsWith('cho_')) return encodeURIComponent(text)
  const { account, target } = readAccount(text)
  const query = { account, target, state: 'open' }
  const { checkOuts } = await client.get<{ checkOuts: CheckOutDocument[] }>('/v1/check-outs', query)
  if (checkOuts.length === 0) throw new CliError(EXIT.no, `Nobody has checked out ${text}.`)
  if (checkOuts.length === 1) return checkOuts[0]!.id
  const users = checkOuts.map(one => `${one.id} (${one.user})`).join(', ')
  throw new CliError(EXIT.usage, `Several have checked out ${text}.`, `Say which one: ${users}`)
}
