/** `sallyport audit`: what happened, and the proof that nothing was taken out or changed. */

import type { AuditEntry } from '../../api/routes/audit.ts'
import type { AddCommands } from '../context.ts'
import { localTime, parseTime } from '../terminal/time.ts'
import { addAuditExport } from './audit/export.ts'
import { factsOf } from './audit/facts.ts'
import { addAuditVerify } from './audit/verify.ts'

interface ListOptions {
  kind?: string
  actor?: string
  session?: string
  since?: string
  until?: string
  after?: string
  limit: string
}

export const addAudit: AddCommands = (program, context) => {
  const { terminal } = context
  const audit = program
    .command('audit')
    .helpCommand(false)
    .description('every login, decision, lease, replay and change')

  audit
    .command('list')
    .description('the last events, oldest first')
    .option('--kind <kind>', 'only this kind, for example login.refused')
    .option('--actor <name>', 'only by this user, or owner, or gateway')
    .option('--session <id>', 'only of this session')
    .option('--since <time>', 'from this time on: 2h, 2026-11-21, 2026-11-21T18:00')
    .option('--until <time>', 'before this time')
    .option('--after <number>', 'after the event with this number')
    .option('--limit <count>', 'how many at most, up to 1000', '50')
    .action(async ({ since, until, ...filters }: ListOptions) => {
      const now = context.now()
      const answer = await (await context.client()).get<{ events: AuditEntry[] }>('/v1/audit', {
        ...filters,
        since: since && parseTime(since, '--since', now),
        until: until && parseTime(until, '--until', now),
      })
      if (context.json) return terminal.json(answer)
      terminal.table(
        [
          { title: 'NO', value: event => String(event.seq), align: 'right' },
          { title: 'TIME', value: event => localTime(event.at) },
          { title: 'EVENT', value: event => event.kind },
          { title: 'BY', value: event => event.actor, shrinkTo: 8 },
          { title: 'SESSION', value: event => event.session ?? '', optional: 1 },
          { title: 'FACTS', value: event => factsOf(event.data), shrinkTo: 20 },
        ],
        answer.events,
        'No audit events match.',
      )
    })

  addAuditVerify(audit, context)
  addAuditExport(audit, context)
}
