import t from 'tap'
import { createSemaphore } from '../../../../src/shared/concurrency/semaphore.ts'

t.test('at most so many run at once, in the order in which they came', async t => {
  const withPermit = createSemaphore(2, 10)
  const open: (() => void)[] = []
  const began: number[] = []
  const operations = [0, 1, 2, 3].map(i =>
    withPermit(() => new Promise<void>(resolve => began.push(i) && open.push(resolve))),
  )
  t.same(began, [0, 1])
  open[1]!()
  await operations[1]
  t.same(began, [0, 1, 2])
  open[0]!()
  await operations[0]
  t.same(began, [0, 1, 2, 3])
  open[2]!()
  open[3]!()
  await Promise.all(operations)
})

t.test('operations that go ahead wait for none that does not, and have a queue of their own', async t => {
  const withPermit = createSemaphore(1, 2)
  const order: string[] = []
  let finish = () => {}
  const running = withPermit(() => new Promise<void>(resolve => (finish = resolve)))
  const work = (name: string, ahead: boolean) => withPermit(async () => void order.push(name), ahead)
  const waiting = [work('unknown 1', false), work('unknown 2', false), work('known', true)]
  await t.rejects(work('unknown 3', false), { code: 'TOO_MANY_CONNECTIONS' })
  finish()
  await Promise.all([running, ...waiting])
  t.same(order, ['known', 'unknown 1', 'unknown 2'])
})

t.test('an operation that throws hands its permit to the next', async t => {
  const withPermit = createSemaphore(1, 10)
  const [bad, good] = [withPermit(() => Promise.reject(new Error('bad'))), withPermit(async () => 'good')]
  await t.rejects(bad, { message: 'bad' })
  t.equal(await good, 'good')
})
