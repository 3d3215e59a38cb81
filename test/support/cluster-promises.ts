/** What every cluster promises, whichever implementation it is: run by the tests of each. */

import { EventEmitter, once } from 'node:events'
import type { Test } from 'tap'
import type { Cluster } from '../../src/cluster/cluster.ts'
import type { Clock } from '../../src/shared/clock.ts'

/** A clock that tests move: the machine's time plus what was added. */
export function movableClock(): Clock & { move(ms: number): void } {
  let ahead = 0
  return {
    now: () => Date.now() + ahead,
    move(ms) {
      ahead += ms
    },
  }
}

/** Collects messages, and waits for the next one. */
export function inbox() {
  const events = new EventEmitter()
  const payloads: Buffer[] = []
  return {
    payloads,
    listener(payload: Buffer) {
      payloads.push(payload)
      events.emit('message')
    },
    async atLeast(count: number) {
      while (payloads.length < count) await once(events, 'message')
    },
  }
}

/** `open` makes a cluster (of a new gateway) with the given clock; all of one `open` share what they know. */
export async function clusterPromises(t: Test, open: (clock: Clock) => Promise<Cluster>): Promise<void> {
  const clock = movableClock()
  const cluster = await open(clock)
  t.teardown(() => cluster.close())

  await t.test('counts up, and forgets when nothing changed for the time given', async t => {
    t.same(await cluster.counted('tries'), { count: 0, ageMs: 0 })
    t.equal(await cluster.count('tries', 60_000), 1)
    clock.move(59_000)
    t.equal(await cluster.count('tries', 60_000), 2)
    clock.move(30_000)
    const { count, ageMs } = await cluster.counted('tries')
    t.equal(count, 2)
    t.ok(ageMs >= 30_000 && ageMs < 40_000, `age is ${ageMs}`)
    clock.move(30_001)
    t.same(await cluster.counted('tries'), { count: 0, ageMs: 0 })
    t.equal(await cluster.count('tries', 60_000), 1, 'it begins anew')
    await cluster.forget('tries')
    t.same(await cluster.counted('tries'), { count: 0, ageMs: 0 })
  })

  await t.test('a hundred counts at once are a hundred', async t => {
    const counts = await Promise.all(Array.from({ length: 100 }, () => cluster.count('race', 60_000)))
    t.same(
      counts.sort((a, b) => a - b),
      Array.from({ length: 100 }, (_, index) => index + 1),
    )
  })

  await t.test('remembers a text for its time, whatever is in it', async t => {
    t.equal(await cluster.recall('note'), undefined)
    const text = 'ü\0\r\n*3\r\n"\u2028" +1 '
    await cluster.remember('note', text, 10_000)
    t.equal(await cluster.recall('note'), text)
    await cluster.remember('note', '', 20_000)
    t.equal(await cluster.recall('note'), '', 'the last one counts, also when it is empty')
    clock.move(10_001)
    t.equal(await cluster.recall('note'), '')
    clock.move(10_000)
    t.equal(await cluster.recall('note'), undefined)
    await cluster.remember('note', 'x', 10_000)
    await cluster.forget('note')
    t.equal(await cluster.recall('note'), undefined)
  })

  await t.test('a counter and a value of one name do not meet, and names may hold anything', async t => {
    const key = 'login:* \r\n{x}:ü'
    t.equal(await cluster.count(key, 10_000), 1)
    await cluster.remember(key, 'text', 10_000)
    t.equal(await cluster.count(key, 10_000), 2)
    t.equal(await cluster.recall(key), 'text')
    await cluster.forget(key)
    t.equal((await cluster.counted(key)).count, 0)
    t.equal(await cluster.recall(key), undefined)
  })

  await t.test('messages reach every subscriber in order, byte for byte, its own included', async t => {
    const first = inbox()
    const second = inbox()
    const elsewhere = inbox()
    await cluster.subscribe('kill', first.listener)
    const leave = await cluster.subscribe('kill', second.listener)
    await cluster.subscribe('killer', elsewhere.listener)
    const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    const payload = Buffer.from(everyByte)
    const sent = cluster.publish('kill', payload)
    payload.fill(0)
    await sent
    await cluster.publish('kill', Buffer.alloc(0))
    await cluster.publish('kill', Buffer.alloc(1_000_000, 7))
    await Promise.all([first.atLeast(3), second.atLeast(3)])
    for (const { payloads } of [first, second]) {
      t.same(payloads[0], everyByte)
      t.equal(payloads[1]!.length, 0)
      t.ok(payloads[2]!.equals(Buffer.alloc(1_000_000, 7)))
    }
    await leave()
    await cluster.publish('kill', Buffer.from('last'))
    await first.atLeast(4)
    t.equal(second.payloads.length, 3, 'who left hears no more')
    t.equal(elsewhere.payloads.length, 0)
  })

  await t.test('a listener that throws keeps nothing from the others', async t => {
    const other = inbox()
    await cluster.subscribe('throwing', () => {
      throw new Error('a bug')
    })
    await cluster.subscribe('throwing', other.listener)
    await cluster.publish('throwing', Buffer.from('x'))
    await other.atLeast(1)
    t.equal(other.payloads.length, 1)
  })

  await t.test('closes twice without complaint', async () => {
    const another = await open(clock)
    await another.close()
    await another.close()
  })
}
