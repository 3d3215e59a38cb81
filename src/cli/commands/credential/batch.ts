/** `sallyport credential batch`: rotations of many accounts, which somebody began: looked at, followed and stopped. */

import type { Command } from 'commander'
import type { RotationBatch, RotationBatchEntry } from '../../../api/routes/rotation-batches.ts'
import type { Context } from '../../context.ts'
import { relativeTime } from '../../terminal/time.ts'
import { followBatch, lineOf, summaryOf } from './rotate-many.ts'

export function addBatches(credential: Command, context: Context): void {
  const { terminal } = context
  const batch = credential
    .command('batch')
    .helpCommand(false)
    .description('rotations of many accounts, as `credential rotate --selector` began them')
  const pathOf = (id: string) => `/v1/rotation-batches/${encodeURIComponent(id)}`

  batch
    .command('list')
    .description('batches, newest first')
    .option('--limit <count>', 'how many at most', '20')
    .action(async ({ limit }: { limit: string }) => {
      const answer = await (await context.client()).get<{ batches: RotationBatch[] }>('/v1/rotation-batches', { limit })
      if (context.json) return terminal.json(answer)
      terminal.table(
        [
          { title: 'BATCH', value: each => each.id },
          { title: 'BEGAN', value: each => relativeTime(each.startedAt, context.now()), align: 'right' },
          { title: 'BY', value: each => each.by, shrinkTo: 8, optional: 1 },
          { title: 'STATE', value: each => each.state },
          { title: 'ACCOUNTS', value: summaryOf, shrinkTo: 20 },
        ],
        answer.batches,
        'There are no batches. Begin one with: sallyport credential rotate --selector NAME=VALUE',
      )
    })

  batch
    .command('show')
    .description('how far one has come, and what failed')
    .argument('<id>')
    .option('--follow', 'until it is over')
    .action(async (id: string, { follow }: { follow?: boolean }) => {
      if (follow) return followBatch(context, id)
      const answer = await (await context.client()).get<RotationBatch & { ended: RotationBatchEntry[] }>(pathOf(id))
      if (context.json) return terminal.json(answer)
      for (const entry of answer.ended) if (entry.state !== 'rotated') terminal.line(lineOf(entry))
      terminal.line(`${answer.state === 'stopped' ? '' : `${answer.state}: `}${summaryOf(answer)}.`)
    })

  batch
    .command('stop')
    .description('begin no further account; what has begun comes to its end')
    .argument('<id>')
    .action(async (id: string) => {
      const answer = await (await context.client()).send<RotationBatch>('POST', `${pathOf(id)}/stop`)
      if (context.json) terminal.json(answer)
      else terminal.line(`${summaryOf(answer)}.`)
    })
}
