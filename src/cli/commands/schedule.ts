/** `sallyport schedule`: what is to happen by itself, and what of it failed. */

import type { ScheduledJob } from '../../api/routes/schedule.ts'
import { JOB_STATES } from '../../schedule/job.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { printable } from '../../shared/text/printable.ts'
import type { AddCommands } from '../context.ts'
import { CliError } from '../exit.ts'
import { dueTime } from '../terminal/time.ts'

interface ListOptions {
  kind?: string
  key?: string
  state?: string
  due?: boolean
  failed?: boolean
  limit: string
}

const COLOURS: Partial<Record<ScheduledJob['state'], 'red' | 'green'>> = {
  running: 'green',
  failed: 'red',
  'given-up': 'red',
}

export const addSchedule: AddCommands = (program, context) => {
  const { terminal } = context
  const schedule = program.command('schedule').helpCommand(false).description('what is to happen by itself')

  schedule
    .command('list')
    .description('jobs in the order of their times')
    .option('--kind <kind>', 'only these: rotate, verify, …')
    .option('--key <key>', 'only what is for this: an account, a check-out')
    .option('--state <state>', `only these: ${JOB_STATES.join(', ')}`)
    .option('--due', 'only what is due now')
    .option('--failed', 'only what has failed, and is tried again')
    .option('--limit <count>', 'how many at most', '100')
    .action(async ({ kind, key, state, due, failed, limit }: ListOptions) => {
      if (failed && state !== undefined) throw new CliError(EXIT.usage, '--failed is --state failed: use one of them.')
      const answer = await (await context.client()).get<{ jobs: ScheduledJob[] }>('/v1/schedule', {
        ...{ kind, key, limit, state: failed ? 'failed' : state },
        dueBy: due ? new Date(context.now()).toISOString() : undefined,
      })
      if (context.json) return terminal.json(answer)
      terminal.table(
        [
          { title: 'WHAT', value: job => job.kind },
          { title: 'FOR', value: job => job.key, shrinkTo: 16 },
          { title: 'DUE', value: job => dueTime(job.dueAt, context.now()), align: 'right' },
          { title: 'STATE', value: stateOf, style: (text, job) => coloured(text, job) },
          { title: 'LAST ERROR', value: job => job.lastError ?? '', shrinkTo: 16, optional: 1, unlessEmpty: true },
        ],
        answer.jobs,
        'Nothing is planned that matches.',
      )
      if (answer.jobs.length === Number(limit)) terminal.note(`These are the first ${limit}; --limit shows more.`)
    })

  schedule
    .command('retry')
    .description('try a job again now that failed or was given up')
    .argument('<what>', 'its kind, as `schedule list` shows it')
    .argument('<for>', 'for what it is')
    .action(async (kind: string, key: string) => {
      const client = await context.client()
      const { jobs } = await client.get<{ jobs: ScheduledJob[] }>('/v1/schedule', { kind, key })
      const [found] = jobs
      if (found === undefined) throw new CliError(EXIT.no, `No ${kind} of ${key} is planned: it may be done.`)
      const job = await client.send<ScheduledJob>('POST', `/v1/schedule/${found.id}/retry`)
      if (context.json) terminal.json(job)
      else terminal.line(`${printable(job.kind)} of ${printable(job.key)} is due now.`)
    })

  function coloured(text: string, { state }: ScheduledJob): string {
    const colour = COLOURS[state]
    return colour === undefined ? text : terminal.style(colour, text)
  }
}

function stateOf({ state, attempts }: ScheduledJob): string {
  return state === 'failed' && attempts > 1 ? `failed ${attempts} times` : state
}
