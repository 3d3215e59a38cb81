import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { ReplyQueue } from '../../../../src/protocols/ssh/relay/reply-queue.ts'
import { WireError } from '../../../../src/shared/ssh-encoding/wire.ts'

const REPLY = Buffer.from([99, 0, 0, 0, 0])

t.test("a refusal waits for the target's answers to what was asked before it", async t => {
  const queue = new ReplyQueue()
  const said: string[] = []
  queue.forwarded()
  queue.refused(() => said.push('refused 2'))
  queue.forwarded()
  queue.refused(() => said.push('refused 4'))
  t.same(said, [])
  queue.answered(REPLY, () => said.push('answered 1'))
  t.same(said, ['answered 1', 'refused 2'])
  queue.answered(REPLY, () => said.push('answered 3'))
  t.same(said, ['answered 1', 'refused 2', 'answered 3', 'refused 4'])
})

t.test('a refusal with nothing before it goes out at once', async t => {
  const said: string[] = []
  new ReplyQueue().refused(() => said.push('refused'))
  t.same(said, ['refused'])
})

t.test('a delayed refusal still comes before a later answer, once', async t => {
  const queue = new ReplyQueue()
  const said: string[] = []
  queue.refused(() => said.push('refused 1'), 5)
  queue.forwarded()
  t.same(said, [])
  queue.answered(REPLY, () => said.push('answered 2'))
  await wait(10)
  t.same(said, ['refused 1', 'answered 2'])
})

t.test('a reply to no request breaks the protocol, and so do requests without end', async t => {
  const queue = new ReplyQueue()
  t.throws(() => queue.answered(REPLY, () => undefined), WireError)
  t.throws(() => {
    for (let i = 0; i < 2000; i++) queue.forwarded()
  }, WireError)
})
