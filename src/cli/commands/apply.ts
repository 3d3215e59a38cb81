/** `sallyport apply`: makes resource files true, and shows what changed. */

import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { AppliedPlan } from '../../api/routes/resources.ts'
import { messageOf } from '../../shared/errors.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import type { AddCommands } from '../context.ts'
import { CliError } from '../exit.ts'
import type { Style, Terminal } from '../terminal/terminal.ts'

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
      const read = (path: string) => (path === '-' ? readStdin(terminal) : readResources(path))
      const files = (await Promise.all(file.map(read))).flat()
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

async function readStdin({ stdin }: Terminal): Promise<{ name: string; text: string }[]> {
  return [
    { name: 'stdin', text: Buffer.concat(await Array.fromAsync(stdin, chunk => Buffer.from(chunk))).toString('utf8') },
  ]
}

async function readResources(path: string): Promise<{ name: string; text: string }[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [{ name: path, text: await readFile(path, 'utf8') }]
    const names = (await readdir(path, { recursive: true })).filter(name => /\.ya?ml$/.test(name)).sort()
    const files = await Promise.all(
      names.map(async name => ({ name: join(path, name), text: await readFile(join(path, name), 'utf8') })),
    )
    if (files.length > 0) return files
  } catch (error) {
    throw new CliError(EXIT.usage, `-f: ${path} cannot be read: ${messageOf(error)}.`)
  }
  throw new CliError(EXIT.usage, `-f: the folder ${path} has no .yaml files.`)
}
