import fc from 'fast-check'
import t from 'tap'
import { nextFactors, provenEnough } from '../../../src/shared/factor-lists.ts'
import { FACTORS, type Factor } from '../../../src/shared/factors.ts'

const next = (lists: Factor[][], ...proven: Factor[]) => nextFactors(lists, new Set(proven))

const KEY_OR_PASSWORD: Factor[][] = [
  ['publickey', 'totp'],
  ['password', 'totp'],
]

t.test('after a key only the code is asked for, after a password too', async t => {
  t.same(next(KEY_OR_PASSWORD, 'publickey'), ['totp'])
  t.same(next(KEY_OR_PASSWORD, 'password'), ['totp'])
  t.same(next(KEY_OR_PASSWORD), ['publickey', 'password'])
})

t.test('ways that differ in what is missing are both offered', async t => {
  t.same(
    next(
      [
        ['publickey', 'password'],
        ['publickey', 'totp'],
      ],
      'publickey',
    ),
    ['password', 'totp'],
  )
  t.same(next([['publickey', 'password', 'totp']], 'publickey'), ['password'])
  t.same(
    next(
      [
        ['publickey', 'password', 'totp'],
        ['password', 'totp'],
      ],
      'publickey',
    ),
    ['password'],
  )
  t.same(
    next(
      [
        ['publickey', 'password', 'totp'],
        ['password', 'totp'],
      ],
      'publickey',
      'password',
    ),
    ['totp'],
  )
  t.same(
    next(
      [
        ['publickey', 'totp'],
        ['publickey', 'password', 'totp'],
      ],
      'publickey',
    ),
    ['totp'],
  )
})

const lists = fc.array(fc.shuffledSubarray([...FACTORS], { minLength: 1 }), { minLength: 1, maxLength: 5 })
const provenPart = fc.subarray([...FACTORS])

t.test('whoever proves what is asked for is let in, by whichever of it they choose', async () => {
  fc.assert(
    fc.property(lists, provenPart, fc.infiniteStream(fc.nat()), (lists, some, choices) => {
      const proven = new Set<Factor>(some)
      while (!provenEnough(lists, proven)) {
        const offered = nextFactors(lists, proven)
        const { value } = choices.next()
        if (offered.length === 0 || offered.some(factor => proven.has(factor))) return false
        proven.add(offered[value! % offered.length]!)
      }
      return true
    }),
  )
})

t.test('what is offered never leads only to more than something else that was begun still takes', async () => {
  fc.assert(
    fc.property(lists, provenPart, (lists, some) => {
      const proven = new Set<Factor>(some)
      if (provenEnough(lists, proven)) return true
      const missing = (list: Factor[]) => list.filter(factor => !proven.has(factor))
      const begun = lists.filter(list => missing(list).length < list.length)
      const mayBeCode = proven.has('publickey') || proven.has('password')
      const next = (list: Factor[]) => missing(list).find(factor => mayBeCode || factor !== 'totp')
      if (lists.every(list => next(list) === undefined)) return true
      return nextFactors(lists, proven).every(factor =>
        lists.some(
          list =>
            next(list) === factor &&
            !begun.some(
              other =>
                new Set(missing(other)).size < missing(list).length &&
                new Set(missing(other)).isSubsetOf(new Set(missing(list))),
            ),
        ),
      )
    }),
  )
})

t.test('every list can be gone to its end, beginning with whichever of its factors may come first', async () => {
  fc.assert(
    fc.property(lists, fc.nat(), (lists, choice) => {
      const list = lists[choice % lists.length]!
      // SSH offers keys and passwords first, whatever the lists say: what is more than another list must begin with them.
      const first = list.filter(factor => factor !== 'totp')
      if (first.length === 0) return true
      const proven = new Set<Factor>(first)
      while (!provenEnough(lists, proven)) {
        const offered = nextFactors(lists, proven).filter(factor => list.includes(factor))
        if (offered.length === 0) return false
        proven.add(offered[0]!)
      }
      return true
    }),
  )
})

t.test('after a wrong try the way is still open, also where a list names the code first', async t => {
  t.same(nextFactors([['totp', 'password']], new Set()), ['password'])
  t.same(nextFactors([['totp', 'password'], ['publickey']], new Set()), ['password', 'publickey'])
  t.same(nextFactors([['totp', 'password']], new Set(['password'])), ['totp'])
  t.same(nextFactors([['totp']], new Set()), ['publickey', 'password'])
  fc.assert(fc.property(lists, lists => !nextFactors(lists, new Set()).includes('totp')))
})
