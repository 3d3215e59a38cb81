/** Whatever a process writes to its channel, the one that has forked it goes on, takes no memory for it, and says what was wrong. */

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { forkWatched, MOST_MESSAGE_BYTES, watchLengths } from '../../../src/gateway/workers/fork-watched.ts'
import { ATTACKS } from '../../support/hostile-child.ts'

function start(attack: string): { child: ChildProcess; broken: Promise<string>; heard: unknown[] } {
  const { promise: broken, resolve } = Promise.withResolvers<string>()
  const heard: unknown[] = []
  const child = forkWatched(
    new URL('../../support/hostile-child.ts', import.meta.url),
    {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env: { ...process.env, ATTACK: attack },
    },
    resolve,
  )
  child.on('message', message => heard.push(message))
  child.on('error', () => undefined)
  child.send({ kind: 'begin' })
  return { child, broken, heard }
}

const saysOf: Partial<Record<keyof typeof ATTACKS, RegExp>> = {
  'a message of 100 MB': /more than 4194304 bytes/,
  'a length of two thousand million': /more than/,
  'a socket': /hand over/,
  'bytes that are no message': /^no message/,
}

t.test('each attack is named, and nothing of it is heard', async t => {
  for (const attack of Object.keys(ATTACKS) as (keyof typeof ATTACKS)[]) {
    const before = process.memoryUsage().arrayBuffers
    const { child, broken, heard } = start(attack)
    t.match(await broken, saysOf[attack] ?? /./, attack)
    t.ok(process.memoryUsage().arrayBuffers - before < 2 * MOST_MESSAGE_BYTES, 'no memory was taken for it')
    child.kill('SIGKILL')
    await once(child, 'exit')
    t.same(heard, [])
  }
})

t.test('lengths are watched however the bytes come', async t => {
  const message = (length: number) => {
    const bytes = Buffer.alloc(4 + length)
    bytes.writeUInt32BE(length)
    return bytes
  }
  const all = Buffer.concat([message(10), message(0), message(100), message(3)])
  for (let step = 1; step <= all.length; step++) {
    const fits = watchLengths(100)
    const pieces = Array.from({ length: Math.ceil(all.length / step) }, (_, i) =>
      all.subarray(i * step, (i + 1) * step),
    )
    t.ok(pieces.every(fits), `in pieces of ${step}`)
    const tooLong = watchLengths(99)
    t.notOk(pieces.every(tooLong), 'one is too long')
  }
})
