import t from 'tap'
import { createBoundedTurns, createKeyedTurns } from '../../../src/identity/turns.ts'

t.test('at most so many run at once, in the order in which they came', async t => {
  const inTurn = createBoundedTurns(2, 10)
  const open: (() => void)[] = []
  const began: number[] = []
  const works = [0, 1, 2, 3].map(i => inTurn(() => new Promise<void>(resolve => began.push(i) && open.push(resolve))))
  t.same(began, [0, 1])
  open[1]!()
  await works[1]
  t.same(began, [0, 1, 2])
  open[0]!()
  await works[0]
  t.same(began, [0, 1, 2, 3])
  open[2]!()
  open[3]!()
  await Promise.all(works)
})

t.test('those who go ahead wait for nobody who does not, and a full queue is not theirs', async t => {
  const inTurn = createBoundedTurns(1, 2)
  const order: string[] = []
  let finish = () => {}
  const running = inTurn(() => new Promise<void>(resolve => (finish = resolve)))
  const work = (name: string, ahead: boolean) => inTurn(async () => void order.push(name), ahead)
  const waiting = [work('stranger 1', false), work('stranger 2', false), work('known', true)]
  await t.rejects(work('stranger 3', false), { code: 'TOO_MANY_CONNECTIONS' })
  finish()
  await Promise.all([running, ...waiting])
  t.same(order, ['known', 'stranger 1', 'stranger 2'])
})

t.test('a work that throws gives its place to the next', async t => {
  const inTurn = createBoundedTurns(1, 10)
  const [bad, good] = [inTurn(() => Promise.reject(new Error('bad'))), inTurn(async () => 'good')]
  await t.rejects(bad, { message: 'bad' })
  t.equal(await good, 'good')
})

t.test('works of one key run one after the other, those of other keys do not wait', async t => {
  const inTurnOf = createKeyedTurns()
  const order: string[] = []
  let finish = () => {}
  const first = inTurnOf('alice', () =>
    new Promise<void>(resolve => {
      finish = resolve
    }).then(() => void order.push('alice 1')),
  )
  const second = inTurnOf('alice', async () => void order.push('alice 2'))
  await inTurnOf('bob', async () => void order.push('bob'))
  t.same(order, ['bob'])
  finish()
  await Promise.all([first, second])
  t.same(order, ['bob', 'alice 1', 'alice 2'])
})

t.test('a work that throws does not stop the next of its key', async t => {
  const inTurnOf = createKeyedTurns()
  const first = inTurnOf('alice', () => Promise.reject(new Error('bad')))
  const second = inTurnOf('alice', async () => 'good')
  await t.rejects(first, { message: 'bad' })
  t.equal(await second, 'good')
})
