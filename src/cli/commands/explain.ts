/** `sallyport explain`: may this user reach this account, and by which rule? */

import { approversText } from '../../access-requests/request-text.ts'
import type { Explanation } from '../../api/routes/explain.ts'
import { protocolNames } from '../../protocols/registered.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { NAME_PATTERN } from '../../shared/names.ts'
import { printable } from '../../shared/text/printable.ts'
import { readAccount } from '../account.ts'
import type { AddCommands } from '../context.ts'
import { CliError } from '../exit.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { formatDuration, localTime, parseTime } from '../terminal/time.ts'

interface Options {
  from?: string
  at?: string
  protocol?: string
  database?: string
}

export const addExplain: AddCommands = (program, context) => {
  const { terminal } = context
  program
    .command('explain')
    .description('may this user go there, and by which role?')
    .argument('<user>')
    .argument('<account@target>', 'or a target alone, for the account that the policy gives')
    .option('--database <name>', "of a target that has several; not given: the target's own")
    .option('--from <address>', 'coming from this address; not given: from an allowed one')
    .option('--at <time>', 'at this time (2026-11-21T18:00) instead of now')
    .option('--protocol <protocol>', `${protocolNames().join(' or ')}; not given: the target's`)
    .addHelpText('after', '\nThe exit code is 0 for yes and 1 for no.')
    .action(async (user: string, account: string, { database, from, at, protocol }: Options) => {
      const now = context.now()
      const time = at === undefined ? undefined : parseTime(at, '--at', now)
      const explanation = await (await context.client()).get<Explanation>('/v1/explain', {
        user,
        ...readTarget(account),
        database,
        from,
        at: time,
        protocol,
      })
      if (context.json) terminal.json(explanation)
      else show(explanation, terminal, time === undefined ? now : Date.parse(time))
      // The answer has been given in full: an exit code is all that is left to say.
      if (!explanation.allowed) throw new CliError(EXIT.no, '')
    })
}

function inputOf({ recordInput, recordExecInput }: NonNullable<Explanation['given']>): string | undefined {
  if (recordInput) return 'recorded'
  return recordExecInput ? undefined : 'not recorded, that of commands neither'
}

function readTarget(text: string): { account?: string; target: string } {
  return NAME_PATTERN.test(text) ? { target: text } : readAccount(text)
}

function show({ allowed, verdict, given, via, onRequest, roles }: Explanation, terminal: Terminal, at: number): void {
  const { style } = terminal
  terminal.line(style(['bold', allowed ? 'green' : 'red'], printable(verdict)))
  if (given !== undefined) {
    terminal.line()
    terminal.facts([
      ['account', given.account],
      ['request', given.request],
      ['credential', given.credential],
      ['via', via && describeVia(via)],
      ['database', given.database],
      ['channels', given.channels.join(', ')],
      ['until', `${localTime(given.endsAt).slice(0, 16)} (${formatDuration(Date.parse(given.endsAt) - at)})`],
      ['idle', given.idleMs === undefined ? undefined : `ends after ${formatDuration(given.idleMs)} without traffic`],
      ['code', given.rememberFactorMs === undefined ? undefined : codeCounts(given.rememberFactorMs)],
      ['input', inputOf(given)],
      ['exec output', given.execOutputLimitBytes === 'none' ? 'all of it recorded' : undefined],
      ['sessions', given.oneLiveOf && `one live at a time (${given.oneLiveOf.join(', ')})`],
      ['must say', given.mustSay && `${given.mustSay}, at each login`],
      ['moderator', given.moderator && `must watch: ${given.moderator}`],
      ['follow', given.follow && 'the user is not told who watches the session'],
      ['recording', given.recording === 'before-relay' ? 'written before anything is shown' : undefined],
    ])
  }
  if (onRequest.length > 0) {
    terminal.line()
    terminal.line('On request:')
    for (const { role, account, level, foreseen } of onRequest) {
      terminal.line(`  ${printable(account)} (${level}), by the role ${printable(role)}`)
      if (foreseen !== undefined) for (const words of foreseenWords(foreseen)) terminal.line(`    ${printable(words)}`)
    }
  }
  for (const { role, request, holds, conditions, factors } of roles) {
    terminal.line()
    const asked = request === undefined ? '' : `, as ${request} asked for it`
    terminal.line(`${mark(holds)} ${style('bold', printable(role))}${asked}`)
    for (const { name, holds, why } of conditions) {
      terminal.line(`  ${mark(holds)} ${name.padEnd(9)} ${style(holds ? 'dim' : 'red', printable(why))}`)
    }
    terminal.line(`    factors   ${style('dim', factors.map(list => list.join(' + ')).join(', or '))}`)
  }

  function mark(good: boolean): string {
    return good ? style('green', '✓') : style('red', '✗')
  }
}

/** What would become of it, and who would be asked. */
function foreseenWords({ review, approvers }: NonNullable<Explanation['onRequest'][number]['foreseen']>): string[] {
  const { outcome, rule, why, outside } = review
  const what = { approve: 'would be approved at once', deny: 'would be denied at once', ask: 'people would decide' }
  const by = rule === null ? '' : ` by the rule ${rule}`
  return [`${what[outcome]}${by}: ${why}`, ...outside, ...(approvers === undefined ? [] : [approversText(approvers)])]
}

function describeVia({ hops, broken }: NonNullable<Explanation['via']>): string {
  const words = hops.map(({ account, credential }) =>
    credential === undefined ? account : `${account} (${credential})`,
  )
  return broken ?? words.join(', then ')
}

function codeCounts(rememberFactorMs: number): string {
  return rememberFactorMs === 0
    ? 'good for one connection; for pg_dump -j, \\c and pools set rememberFactor in the role'
    : `counts again for ${formatDuration(rememberFactorMs)} from the same address (rememberFactor)`
}
