/** `sallyport apply`: makes resource files true, and shows what changed. */

import type { AppliedPlan } from '../../api/routes/resources.ts'
import type { AddCommands } from '../context.ts'
import { readFiles } from '../files/resources.ts'
import { coloured } from '../terminal/coloured-plan.ts'
import type { Terminal } from '../terminal/terminal.ts'

interface Options {
  file: string[]
  dryRun?: boolean
  prune?: boolean
  reason?: string
  breakGlass?: string
}

export const addApply: AddCommands = (program, context) => {
  const { terminal } = context
  program
    .command('apply')
    .description('make users, roles and targets what files say')
    .requiredOption('-f, --file <path...>', 'YAML files, or folders of them; -: what comes on stdin')
    .option('--dry-run', 'only show what would change')
    .option('--prune', 'delete what no file speaks of, among the kinds in the files')
    .option('--reason <text>', 'why, for those who approve it where a change needs a second person')
    .option('--break-glass <reason>', 'without a second person: by the owner alone; somebody is alerted')
    .action(async ({ file, dryRun = false, prune = false, reason, breakGlass }: Options) => {
      const files = await readFiles(file, terminal)
      const client = await context.client()
      const plan = await client.send<AppliedPlan>('POST', '/v1/resources/apply', {
        ...{ files, dryRun, prune, reason, breakGlass },
      })
      if (context.json) return terminal.json(plan)
      for (const line of plan.lines) terminal.line(coloured(terminal, line))
      if (plan.proposal !== null) return sayProposed(terminal, plan.proposal)
      if (dryRun && plan.changes.length > 0)
        terminal.note(terminal.style('dim', 'Nothing was changed: this was a dry run.'))
    })
}

function sayProposed(terminal: Terminal, { id, approvalsNeeded, by }: NonNullable<AppliedPlan['proposal']>): void {
  const people = approvalsNeeded === 1 ? 'a second person' : `${approvalsNeeded} persons`
  terminal.note(`Nothing was changed: it is the proposal ${id}, and waits for ${people} to approve it.`)
  if (by !== 'person')
    terminal.note('A token, and the owner, are nobody in particular: with a personal token one approval is enough.')
  terminal.note(`What it would do: sallyport proposal show ${id}`)
}
