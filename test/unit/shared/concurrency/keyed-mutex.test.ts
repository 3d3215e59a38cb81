import t from 'tap'
import { createKeyedMutex } from '../../../../src/shared/concurrency/keyed-mutex.ts'

t.test('operations of one key run one after the other, those of other keys do not wait', async t => {
  const withKeyLock = createKeyedMutex()
  const order: string[] = []
  let finish = () => {}
  const first = withKeyLock('alice', () =>
    new Promise<void>(resolve => {
      finish = resolve
    }).then(() => void order.push('alice 1')),
  )
  const second = withKeyLock('alice', async () => void order.push('alice 2'))
  await withKeyLock('bob', async () => void order.push('bob'))
  t.same(order, ['bob'])
  finish()
  await Promise.all([first, second])
  t.same(order, ['bob', 'alice 1', 'alice 2'])
})

t.test('an operation that throws does not stop the next of its key', async t => {
  const withKeyLock = createKeyedMutex()
  const first = withKeyLock('alice', () => Promise.reject(new Error('bad')))
  const second = withKeyLock('alice', async () => 'good')
  await t.rejects(first, { message: 'bad' })
  t.equal(await second, 'good')
})
