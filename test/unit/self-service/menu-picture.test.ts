import fc from 'fast-check'
import t from 'tap'
import { inView, NO_CHOICE, press, withEntries } from '../../../src/self-service/menu/choice.ts'
import type { Key } from '../../../src/self-service/menu/keys.ts'
import { listRows, pictureOf } from '../../../src/self-service/menu/picture.ts'
import type { Entry } from '../../../src/self-service/reachable-first.ts'
import { widthOf } from '../../../src/shared/text/width.ts'

function entry(address: string, more: Partial<Entry> & { description?: string } = {}): Entry {
  const [account, target] = address.split('@') as [string, string]
  const { description = `about ${target}`, ...rest } = more
  return {
    reachable: { account, target, protocol: 'ssh', level: 'basic', description, labels: {} },
    address,
    favourite: false,
    lastUsed: undefined,
    matches: words => words.every(word => `${address} ${description}`.includes(word)),
    ...rest,
  }
}

const MANY = Array.from({ length: 50 }, (_, index) => entry(`root@host-${String(index).padStart(2, '0')}`))
const many = withEntries(NO_CHOICE, MANY)
const text = (searched: string): Key => ({ kind: 'text', text: searched })

t.test('typing searches, and what is chosen stays in view', async t => {
  const found = press(many, [text('host-4'), { kind: 'down' }], 10)
  t.equal(found.choice.found.length, 10)
  t.equal(found.choice.found[found.choice.selected]!.address, 'root@host-41')
  const end = press(many, [{ kind: 'last' }], 10).choice
  t.same([end.selected, end.top], [49, 40])
  t.same(press(end, [{ kind: 'page-up' }, { kind: 'up' }], 10).choice.selected, 38)
  t.equal(inView(end, 60).top, 0)
  t.equal(press(many, [{ kind: 'up' }], 10).choice.selected, 0)
})

t.test('Enter and ^F are about the entry that is chosen, and mean nothing where there is none', async t => {
  t.match(press(many, [{ kind: 'down' }, { kind: 'enter' }], 10).wish, { wants: 'connect', entry: MANY[1] })
  t.match(press(many, [{ kind: 'favourite' }], 10).wish, { wants: 'favourite', entry: MANY[0] })
  t.match(press(many, [text('nowhere'), { kind: 'enter' }], 10).wish, { wants: 'nothing' })
  t.match(press(many, [text('x'), { kind: 'escape' }], 10), { choice: { search: '' }, wish: { wants: 'nothing' } })
  t.match(press(many, [{ kind: 'escape' }], 10).wish, { wants: 'leave' })
})

t.test('a flood of keys is taken piece by piece, each with one search, and comes to the same', async t => {
  let looked = 0
  const counting = MANY.map(one => ({
    ...one,
    matches(words: readonly string[]) {
      looked++
      return one.matches(words)
    },
  }))
  const flood = Array.from({ length: 500 }, (): Key[] => [text('x'), { kind: 'down' }, { kind: 'backspace' }]).flat()
  let keys: readonly Key[] = [text('host-4'), { kind: 'down' }, ...flood, { kind: 'down' }]
  let choice = withEntries(NO_CHOICE, counting)
  while (keys.length > 0) {
    looked = 0
    ;({ choice, rest: keys } = press(choice, keys, 10))
    t.ok(looked <= 2 * MANY.length, `${looked} entries were looked at`)
  }
  t.equal(choice.search, 'host-4')
  t.equal(choice.found[choice.selected]!.address, 'root@host-41')
})

t.test('the chosen entry stays chosen when the list is read again', async t => {
  const chosen = press(many, [{ kind: 'down' }, { kind: 'down' }], 10).choice
  const anew = withEntries(chosen, [entry('root@host-aa'), ...MANY])
  t.equal(anew.found[anew.selected]!.address, 'root@host-02')
})

t.test('what is searched for is bounded and printable', async t => {
  const { search } = press(many, [text('a\u202e\u0007b'.repeat(100_000))], 10).choice
  t.equal([...search].length, 100)
  t.notMatch(search, /[\p{C}]/u)
})

t.test('names are cut last, and a long message has more lines where there is room', async t => {
  const shown = { choice: many, user: 'alice', message: undefined, reading: false, states: new Map(), now: 0 }
  const small = pictureOf(shown, { columns: 20, rows: 5 })
  t.match(small.lines[1]!.text, /root@host-00/)
  const long = pictureOf({ ...shown, message: 'word '.repeat(40).trim() }, { columns: 80, rows: 24 })
  t.equal(long.lines.filter(line => line.text.startsWith('word')).length, 3)
})

t.test('property: a picture fits its screen, whatever is in it and however small that is', async () => {
  const entries = fc.array(
    fc
      .record({
        description: fc.string({ unit: 'binary', maxLength: 30 }),
        favourite: fc.boolean(),
        lastUsed: fc.option(fc.nat(), { nil: undefined }),
      })
      .map(more => entry('root@web-01', more)),
    { maxLength: 30 },
  )
  const size = fc.record({ columns: fc.integer({ min: 1, max: 200 }), rows: fc.integer({ min: 1, max: 60 }) })
  const message = fc.option(fc.string(), { nil: undefined })
  fc.assert(
    fc.property(entries, size, message, fc.boolean(), (some, screen, words, reading) => {
      const choice = inView(withEntries(NO_CHOICE, some), listRows(screen))
      const shown = { choice, user: 'alice', message: words, reading, states: new Map(), now: 2 ** 31 }
      const { lines, cursor } = pictureOf(shown, screen)
      const fits = lines.every(line => widthOf(line.text) <= screen.columns)
      const listed = lines.slice(0, -1).every(line => !/\p{C}/u.test(line.text.replace(/[\u200c\u200d]/g, '')))
      return lines.length === screen.rows && fits && listed && cursor.column <= screen.columns
    }),
  )
})
