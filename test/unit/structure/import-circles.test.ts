import { readdirSync, readFileSync } from 'node:fs'
import { join, normalize, relative } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../../..')

type Imports = ReadonlyMap<string, readonly string[]>

/** Each file with what it imports; types count too, for whoever reads a file reads them. */
function importsOf(folder: string): Imports {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).filter(file =>
    file.endsWith('.ts'),
  )
  return new Map(
    files.map(file => {
      const path = join(folder, file)
      const text = readFileSync(join(root, path), 'utf8')
      const names = Array.from(text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'/g), ([, name]) => name!)
      return [path, names.map(name => normalize(join(path, '..', name)))]
    }),
  )
}

/** One circle, from a file back to itself; undefined where there is none. */
function circleIn(imports: Imports): string[] | undefined {
  const done = new Set<string>()
  function visit(file: string, way: readonly string[]): string[] | undefined {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file]
    if (done.has(file)) return undefined
    for (const next of imports.get(file) ?? []) {
      const circle = visit(next, [...way, file])
      if (circle !== undefined) return circle
    }
    done.add(file)
    return undefined
  }
  for (const file of imports.keys()) {
    const circle = visit(file, [])
    if (circle !== undefined) return circle
  }
  return undefined
}

t.test('no file of src is imported by what it imports, types included', async t => {
  const imports = importsOf('src')
  t.ok(imports.size > 300, 'the files were found')
  t.ok(imports.get('src/main.ts')?.includes('src/cli/program.ts'), 'their imports were read')
  t.equal(
    circleIn(imports)
      ?.map(file => relative('src', file))
      .join(' → '),
    undefined,
  )
})

t.test('a circle is found wherever it is', async t => {
  const circle = circleIn(
    new Map([
      ['a', ['b', 'c']],
      ['b', ['d']],
      ['c', ['d']],
      ['d', ['e']],
      ['e', ['c']],
    ]),
  )
  t.same(circle, ['d', 'e', 'c', 'd'])
})
