/** Files that are planted beside a copy of biome.json, to see what the linter says of them. */

import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'

const root = join(import.meta.dirname, '../..')

/** The files, of those that are planted beside a copy of biome.json, that the linter refuses by a rule. */
export function refused(t: Test, rule: string, files: Readonly<Record<string, string>>): string[] {
  const folder = t.testdir()
  copyFileSync(join(root, 'biome.json'), join(folder, 'biome.json'))
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text)
  }
  const biome = join(root, 'node_modules/.bin/biome')
  const only = [`--only=${rule}`, '--max-diagnostics=none', '--reporter=json']
  const { stdout } = spawnSync(process.execPath, [biome, 'lint', ...only, 'src'], { cwd: folder, encoding: 'utf8' })
  const { summary, diagnostics } = JSON.parse(stdout)
  t.equal(summary.unchanged, Object.keys(files).length, 'all were read')
  return [...new Set<string>(diagnostics.map(({ location }: { location: { path: string } }) => location.path))].sort()
}
