/** `sallyport apply`: makes resource files true, and shows what changed. */

import type { AppliedPlan } from '../../api/routes/resources.ts'
import type { AddCommands } from '../context.ts'
import { readFiles } from '../files/resources.ts'
import type { Style } from '../terminal/terminal.ts'

interface Options {
  file: string[]
  dryRun?: boolean
  prune?: boolean
}

const COLOURS: Record<string, Style> = { '+': 'green', '~': 'yellow', '-': 'red', '!': 'red' }

export const addApply: AddCommands = (program, context) => {
  const { terminal } = context
  program
    .command('apply')
    .description('make users, roles and targets what files say')
    .requiredOption('-f, --file <path...>', 'YAML files, or folders of them; -: what comes on stdin')
    .option('--dry-run', 'only show what would change')
    .option('--prune', 'delete what no file speaks of, among the kinds in the files')
    .action(async ({ file, dryRun = false, prune = false }: Options) => {
      const files = await readFiles(file, terminal)
      const client = await context.client()
      const plan = await client.send<AppliedPlan>('POST', '/v1/resources/apply', { files, dryRun, prune })
      if (context.json) return terminal.json(plan)
      for (const line of plan.lines) {
        const style = COLOURS[line.trimStart()[0] ?? '']
        terminal.line(style === undefined ? line : terminal.style(style, line))
      }
      if (dryRun && plan.changes.length > 0)
        terminal.note(terminal.style('dim', 'Nothing was changed: this was a dry run.'))
    })
}
