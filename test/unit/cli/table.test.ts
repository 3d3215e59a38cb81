import fc from 'fast-check'
import t from 'tap'
import { type Column, formatFacts, formatTable } from '../../../src/shared/text/table.ts'
import { cut, widthOf } from '../../../src/shared/text/width.ts'

interface Row {
  name: string
  size: number
  text: string
}

const columns: Column<Row>[] = [
  { title: 'NAME', value: row => row.name, shrinkTo: 6 },
  { title: 'SIZE', value: row => String(row.size), align: 'right' },
  { title: 'TEXT', value: row => row.text, shrinkTo: 8, optional: 1 },
]

t.test('columns align, numbers to the right, nothing trails', async t => {
  const rows = [
    { name: 'a', size: 5, text: 'x' },
    { name: 'longer', size: 1000, text: '' },
  ]
  t.same(formatTable(columns, rows, { width: undefined }), ['NAME    SIZE  TEXT', 'a          5  x', 'longer  1000'])
})

t.test('a column that no row has anything in is left out where it says so', async t => {
  const rare: Column<Row>[] = [columns[0]!, { title: 'TEXT', value: row => row.text, unlessEmpty: true }]
  const row = { name: 'a', size: 5, text: '' }
  t.same(formatTable(rare, [row], { width: undefined }), ['NAME', 'a'])
  t.same(formatTable(rare, [row, { ...row, text: 'x' }], { width: undefined }), ['NAME  TEXT', 'a', 'a     x'])
})

t.test('columns shrink with an ellipsis, then go, and numbers stay whole', async t => {
  const rows = [{ name: 'a-long-name-it-is', size: 123456, text: 'words that go on and on' }]
  t.same(formatTable(columns, rows, { width: 40 }).at(1), 'a-long-name-it…  123456  words that go …')
  t.same(formatTable(columns, rows, { width: 20 }), ['NAME            SIZE', 'a-long-name…  123456'])
})

t.test('no line is wider than the terminal, whatever is in it, and no cell acts on it', async t => {
  const text = fc.string({ unit: 'binary', maxLength: 60 })
  const holds = fc.property(
    fc.array(fc.record({ name: text, size: fc.nat(), text }), { minLength: 1, maxLength: 6 }),
    fc.integer({ min: 24, max: 200 }),
    (rows, width) => {
      const lines = formatTable(columns, rows, { width })
      return (
        lines.length === rows.length + 1 && lines.every(line => widthOf(line) <= width && !/[\p{Cc}\p{Cf}]/u.test(line))
      )
    },
  )
  t.doesNotThrow(() => fc.assert(holds, { numRuns: 50 }))
})

t.test('styles do not count as width', async t => {
  const red: Column<Row>[] = [
    { title: 'NAME', value: row => row.name, style: text => `\x1b[31m${text}\x1b[39m` },
    columns[1]!,
  ]
  const [, line] = formatTable(red, [{ name: 'ab', size: 1, text: '' }], { width: 80 })
  t.equal(line, '\x1b[31mab\x1b[39m       1')
})

t.test('wide characters take two columns, marks none', async t => {
  t.equal(widthOf('日本'), 4)
  t.equal(widthOf('e\u0301'), 1)
  t.equal(cut('日本語', 5), '日本…')
  t.equal(cut('日本語', 4), '日…')
  t.equal(cut('abc', 3), 'abc')
})

t.test('facts leave out what is not there, and show what could act', async t => {
  t.same(
    formatFacts([
      ['user', 'alice\x1b[2J'],
      ['name', undefined],
      ['email', ''],
    ]),
    ['user  alice\\e[2J'],
  )
})
