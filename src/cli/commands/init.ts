/** `sallyport init`: what a gateway needs before its first start. */

import { access, mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { initKeyFile } from '../../vault/key-provider.ts'
import type { AddCommands } from '../context.ts'
import { nextStep } from '../next-step.ts'

export const addInit: AddCommands = (program, context) => {
  const { terminal } = context
  program
    .command('init')
    .description('make the vault key and the data folder')
    .option('--no-hint', 'without what to do next')
    .action(async ({ hint }: { hint: boolean }) => {
      const { dataFolder, vault } = await context.config()
      await mkdir(dataFolder, { recursive: true, mode: 0o700 })
      const file = 'file' in vault.key ? vault.key.file : undefined
      const made = file !== undefined && (await makeKey(file))
      if (context.json) return terminal.json({ dataFolder, vaultKey: file ?? null, made })
      terminal.facts([
        ['data folder', dataFolder],
        ['vault key', file === undefined ? 'comes from elsewhere' : made ? file : `${file} (was there already: kept)`],
      ])
      terminal.line()
      if (made) {
        terminal.line(
          'Keep a copy of the vault key where the data folder is not: without it, nothing in the vault opens.',
        )
      }
      if (hint) terminal.line(`Next: ${nextStep(context, 'start')}`)
    })
}

async function makeKey(file: string): Promise<boolean> {
  const there = await access(file).then(
    () => true,
    () => false,
  )
  if (there) return false
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await initKeyFile(file)
  return true
}
