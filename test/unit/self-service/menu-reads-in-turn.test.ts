import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { type MenuParts, runMenu } from '../../../src/self-service/menu/menu.ts'
import type { Conversation, Listener } from '../../../src/session/conversation.ts'
import type { Login } from '../../../src/session/run-login.ts'

t.test('who asks for the list again and again has it read one time after the other, and once more', async t => {
  const waiting: (() => void)[] = []
  let reads = 0
  const parts = {
    access: {
      reachable: () => {
        reads++
        return new Promise(resolve => waiting.push(() => resolve([])))
      },
    },
    favourites: { of: async () => new Set() },
    sessions: { list: async () => [] },
    requestsOf: () => ({ list: async () => [] }),
    checkOutsOf: () => ({ list: async () => ({ checkOuts: [], waiting: [], taken: [] }) }),
    clock: { now: () => 0 },
  }
  let listener: Listener | undefined
  const conversation = {
    gone: new AbortController().signal,
    terminal: { type: 'xterm', size: { columns: 80, rows: 24 } },
    write: async () => undefined,
    listen: (next: Listener | undefined) => {
      listener = next
    },
  }
  const login = { id: 'ses_1', person: async () => ({ user: 'alice' }), who: { principal: { user: 'alice' } } }
  const left = runMenu(
    parts as unknown as MenuParts,
    conversation as unknown as Conversation,
    login as unknown as Login,
  )
  const answer = async () => {
    for (let turns = 0; turns < 20; turns++) {
      for (const give of waiting.splice(0)) give()
      await setImmediate()
    }
  }
  await answer()
  const before = reads
  for (let times = 0; times < 100; times++) {
    listener!.typed(Buffer.from('\f'))
    await setImmediate()
  }
  t.equal(reads - before, 1)
  await answer()
  t.equal(reads - before, 2)
  listener!.typed(Buffer.from('\x03'))
  t.equal(await left, 0)
})
