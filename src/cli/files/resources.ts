/** The resource files that a command names: files, folders of them, and stdin. */

import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../../shared/errors.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { CliError } from '../exit.ts'
import type { Terminal } from '../terminal/terminal.ts'

export interface NamedText {
  readonly name: string
  readonly text: string
}

/** `-` is stdin. Throws a usage error for what cannot be read; `named`: by which option it was. */
export async function readFiles(
  paths: readonly string[],
  terminal: Pick<Terminal, 'stdin'>,
  named = '-f: ',
): Promise<NamedText[]> {
  const read = (path: string) => (path === '-' ? readStdin(terminal) : readResources(path, named))
  return (await Promise.all(paths.map(read))).flat()
}

async function readStdin({ stdin }: Pick<Terminal, 'stdin'>): Promise<NamedText[]> {
  return [
    { name: 'stdin', text: Buffer.concat(await Array.fromAsync(stdin, chunk => Buffer.from(chunk))).toString('utf8') },
  ]
}

async function readResources(path: string, named: string): Promise<NamedText[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [{ name: path, text: await readFile(path, 'utf8') }]
    const names = (await readdir(path, { recursive: true })).filter(name => /\.ya?ml$/.test(name)).sort()
    const files = await Promise.all(
      names.map(async name => ({ name: join(path, name), text: await readFile(join(path, name), 'utf8') })),
    )
    if (files.length > 0) return files
  } catch (error) {
    throw new CliError(EXIT.usage, `${named}${path} cannot be read: ${messageOf(error)}.`)
  }
  throw new CliError(EXIT.usage, `${named}the folder ${path} has no .yaml files.`)
}
