import fc from 'fast-check'
import t from 'tap'
import { formatProblem, readYaml } from '../../../src/config/yaml-source.ts'

const complaints = (text: string) => readYaml('f.yaml', text).problems.map(formatProblem)

t.test('a path is placed at its value, at its key, or at what is nearest to it', async t => {
  const [document] = readYaml('f.yaml', 'a:\n  b: [1, {c: x}]\n').documents
  const place = (path: (string | number)[]) => formatProblem(document!.problemAt(path, '.'))
  t.equal(place([]), 'f.yaml:1:1: .')
  t.equal(place(['a', 'b', 1, 'c']), 'f.yaml:2:14: .')
  t.equal(place(['a', 'b', 1, 'd', 'e']), 'f.yaml:2:10: .', 'not there: what is around it')
  t.equal(place(['a', 'b', 7]), 'f.yaml:2:6: .')
  t.equal(formatProblem(document!.problemAtKey(['a', 'b', 1, 'c'], '.')), 'f.yaml:2:11: .')
})

t.test('several documents, anchors and aliases are read', async t => {
  const { documents } = readYaml('f.yaml', 'base: &x {p: 1}\nuse: *x\n---\n- 2\n')
  t.strictSame(
    documents.map(({ value }) => value),
    [{ base: { p: 1 }, use: { p: 1 } }, [2]],
  )
  t.equal(formatProblem(documents[0]!.problemAt(['use', 'p'], '.')), 'f.yaml:1:14: .', 'where the alias points')
})

t.test('what is broken is told in plain words, with its place', async t => {
  t.strictSame(complaints('a:\n\tb: 1'), ['f.yaml:2:1: There is a tab in the indentation: YAML wants spaces.'])
  t.strictSame(complaints('a: 1\nb: 2\na: 3'), ['f.yaml:3:1: This key is there twice: keep one of them.'])
  t.strictSame(complaints('? [a]\n: b'), ['f.yaml:1:3: A key must be a plain text.'])
  t.match(complaints('a: "b'), [/^f\.yaml:1:\d+: This is not valid YAML: /])
  t.strictSame(complaints('labels:\n  env: prod\n  __proto__: x'), ['f.yaml:3:3: No key can be __proto__.'])
  t.strictSame(complaints('a: *nowhere'), ['f.yaml:1:4: There is no &nowhere before this alias.'])
})

t.test('a file made to exhaust is refused, and fast', async t => {
  const bomb = `${Array.from(
    { length: 9 },
    (_, i) =>
      `l${i}: &l${i} [${Array(9)
        .fill(i === 0 ? 'x' : `*l${i - 1}`)
        .join()}]`,
  ).join('\n')}\n`
  const cases: [string, RegExp][] = [
    [`a: &a [1]\nb: [${Array(1000).fill('*a').join()}]`, /f\.yaml:2:\d+: There are more than 100 aliases/],
    [bomb, /alias/],
    ['['.repeat(100_000), /nested more than 50 deep/],
    ['- '.repeat(100_000), /not valid YAML|cannot be read/],
    [`a: ${'x'.repeat(5 * 1024 * 1024)}`, /larger than 4 MiB/],
    ['a: &a [*a]', /f\.yaml:1:8: The alias \*a stands inside itself/],
  ]
  for (const [text, expected] of cases) {
    const [first] = complaints(text)
    t.match(first, expected, text.slice(0, 20))
    t.notMatch(first, /\n|at .*\.(js|ts):/, 'and shows no stack')
  }
})

t.test('property: whatever the text, reading it ends with values or with problems, never with a throw', async () => {
  const pieces = fc.constantFrom(
    'a',
    ': ',
    '\n',
    '  ',
    '- ',
    '\t',
    '{',
    '}',
    '[',
    ']',
    '&x ',
    '*x',
    '"',
    "'",
    '#',
    '|',
    '>',
    '!!',
    '---',
    '%',
    '?',
    '\0',
    '<<',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(pieces, { maxLength: 40 }).map(all => all.join('')),
        fc.string({ unit: 'binary' }),
      ),
      text => {
        const { documents, problems } = readYaml('f', text)
        const placed = problems.every(({ line, column, message }) => line >= 1 && column >= 1 && message.length > 0)
        return placed && (problems.length === 0 || documents.length === 0)
      },
    ),
    { numRuns: 500 },
  )
})
