/** `sallyport simulate`: which sessions of the past would have been refused under other resource files. */

import type { SimulationAnswer } from '../../api/routes/simulate.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import type { AddCommands } from '../context.ts'
import { CliError } from '../exit.ts'
import { readFiles } from '../files/resources.ts'
import type { Style, Terminal } from '../terminal/terminal.ts'
import { localTime, parseTime } from '../terminal/time.ts'

interface Options {
  file: string[]
  prune?: boolean
  since: string
  until?: string
  limit: string
}

const STYLES: Record<SimulationAnswer['listed'][number]['outcome'], Style> = {
  ...{ refused: 'red', narrower: 'yellow', 'not-known': 'yellow', 'refused-already': 'dim' },
}

export const addSimulate: AddCommands = (program, context) => {
  const { terminal } = context
  program
    .command('simulate')
    .description('which recorded sessions would have been refused, had these files been applied')
    .requiredOption('-f, --file <path...>', 'YAML files, or folders of them; -: what comes on stdin')
    .option('--prune', 'as if apply deleted what no file speaks of')
    .option('--since <time>', 'sessions since: 30d, 2026-11-21', '30d')
    .option('--until <time>', 'sessions before this time')
    .option('--limit <count>', 'how many sessions are listed, up to 1000; all are counted', '100')
    .addHelpText('after', '\nThe exit code is 1 where a session would have been refused.')
    .action(async ({ file, prune = false, since, until, limit }: Options) => {
      const now = context.now()
      const body = {
        ...{ prune, since: parseTime(since, '--since', now), limit: Number(limit) },
        ...(until === undefined ? {} : { until: parseTime(until, '--until', now) }),
        files: await readFiles(file, terminal),
      }
      const answer = await (await context.client()).send<SimulationAnswer>('POST', '/v1/simulate', body)
      if (context.json) terminal.json(answer)
      else show(answer, terminal)
      if (answer.counts.refused > 0) throw new CliError(EXIT.no, '')
    })
}

function show(
  { since, until, sessions, counts, listed, cannotKnow, changes }: SimulationAnswer,
  terminal: Terminal,
): void {
  const { style } = terminal
  const { refused, narrower, refusedAlready, notKnown, untouched, allowed } = counts
  const which = `of the ${sessions === 1 ? '1 session' : `${sessions} sessions`} from ${localTime(since).slice(0, 16)} to ${localTime(until).slice(0, 16)}`
  const verdict =
    refused === 0 ? `None ${which} would have been refused.` : `${refused} ${which} would have been refused.`
  terminal.line(style(['bold', refused === 0 ? 'green' : 'red'], verdict))
  terminal.facts([
    ['changed resources', String(changes)],
    ['with less', narrower === 0 ? undefined : `${narrower}: fewer channels, or ended earlier`],
    ['refused already', refusedAlready === 0 ? undefined : `${refusedAlready}: by what is in force now, too`],
    ['not known', notKnown === 0 ? undefined : String(notKnown)],
    ['as before', `${untouched + allowed}, of which the files touch ${allowed}`],
  ])
  if (listed.length > 0) {
    terminal.line()
    terminal.table(
      [
        { title: 'SESSION', value: one => one.session },
        { title: 'STARTED', value: one => localTime(one.startedAt).slice(0, 16), optional: 1 },
        { title: 'USER', value: one => one.user, shrinkTo: 8 },
        { title: 'ACCOUNT', value: formatAccountAddress, shrinkTo: 12 },
        { title: 'OUTCOME', value: one => one.outcome, style: (text, one) => style(STYLES[one.outcome], text) },
        { title: 'WHY', value: reasonOf, shrinkTo: 16 },
      ],
      listed,
      '',
    )
  }
  terminal.line()
  terminal.line('What no recorded session says, and so is not in this:')
  terminal.lines(cannotKnow.map(words => `  - ${words}`))
}

function reasonOf({ why, onRequest, assumed }: SimulationAnswer['listed'][number]): string {
  const asked = onRequest ? '; it could be asked for' : ''
  return `${why}${asked}${assumed.length === 0 ? '' : ` (${assumed.join(', ')} taken as held)`}`
}
