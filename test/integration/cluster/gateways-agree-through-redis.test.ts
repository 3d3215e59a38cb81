import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createRedisCluster, type RedisClusterOptions } from '../../../src/cluster/redis.ts'
import { systemClock } from '../../../src/shared/clock.ts'
import { GatewayError } from '../../../src/shared/errors.ts'
import { createLog } from '../../../src/shared/log.ts'
import { clusterPromises, inbox } from '../../support/cluster-promises.ts'
import { startRedis } from '../../support/start-redis.ts'

/** On a loaded machine an answer takes seconds: what is not answered in this time counts as gone only where a test says so. */
const PATIENT = { heartbeatMs: 100, deadAfterMs: 2000, timeoutMs: 20_000 }
const IMPATIENT = { timeoutMs: 300 }
let gateways = 0

/** A log that keeps its lines, and waits for one that matches. */
function keptLog() {
  const stream = new PassThrough()
  let text = ''
  stream.on('data', chunk => {
    text += chunk
  })
  const log = createLog('trace', stream)
  return {
    log,
    text: () => text,
    async says(pattern: RegExp, from = 0) {
      while (!pattern.test(text.slice(from))) await new Promise(resolve => stream.once('data', resolve))
      return text.length
    },
  }
}

function open(url: string, options: Partial<RedisClusterOptions> = {}) {
  const kept = keptLog()
  const gateway = `gw_${++gateways}`
  const cluster = createRedisCluster({ url, gateway, clock: systemClock, log: kept.log, ...PATIENT, ...options })
  return { cluster, gateway, ...kept }
}

/** Asks until the answer is not undefined: `livingGateways` answers by and by, on its own clock. */
async function known<T>(question: () => Promise<T | undefined>, good: (answer: T) => boolean = () => true): Promise<T> {
  for (;;) {
    const answer = await question()
    if (answer !== undefined && good(answer)) return answer
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** The answer of a gateway that takes a slow one for none. */
async function answered<T>(question: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await question()
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      await setImmediate()
    }
  }
}

async function refusal(t: Test, promise: Promise<unknown>): Promise<GatewayError> {
  try {
    await promise
  } catch (error) {
    t.ok(error instanceof GatewayError && error.code === 'CLUSTER_UNAVAILABLE', `CLUSTER_UNAVAILABLE, not ${error}`)
    return error as GatewayError
  }
  throw new Error('this should have been refused')
}

t.test('Redis keeps what every cluster promises', async t => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  await clusterPromises(t, async clock => open(redis.url, { clock }).cluster)
})

t.test('two gateways share counters, values and messages, and see each other live and leave', async t => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const one = open(redis.url)
  const two = open(redis.url)
  t.teardown(() => one.cluster.close())
  t.equal(await one.cluster.livingGateways(), undefined, 'not known just after connecting')
  await one.cluster.count('tries', 5000)
  t.equal(await two.cluster.count('tries', 5000), 2)
  await one.cluster.remember('code', 'used', 5000)
  t.equal(await two.cluster.recall('code'), 'used')
  const box = inbox()
  await one.cluster.subscribe('kill', box.listener)
  await two.cluster.publish('kill', Buffer.from([0, 255, 13, 10]))
  await box.atLeast(1)
  t.same(box.payloads, [Buffer.from([0, 255, 13, 10])])
  const both = new Set([one.gateway, two.gateway])
  const isBoth = (living: ReadonlySet<string>) => living.size === both.size
  t.same(await known(() => one.cluster.livingGateways(), isBoth), both)
  await two.cluster.close()
  t.same(await one.cluster.livingGateways(), new Set([one.gateway]), 'a clean stop is seen at once')
  t.notMatch(one.text(), /warn|error/)
})

t.test('with Redis killed all is refused, and heals by itself when it is back', async t => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const one = open(redis.url)
  const two = open(redis.url)
  t.teardown(() => Promise.all([one.cluster.close(), two.cluster.close()]))
  const box = inbox()
  await one.cluster.subscribe('follow', box.listener)
  await two.cluster.recall('x')
  await redis.kill()
  const error = await refusal(t, one.cluster.count('tries', 1000))
  t.match(error.message, /Try again/)
  t.equal(one.cluster.available, false)
  await refusal(t, one.cluster.counted('tries'))
  await refusal(t, one.cluster.forget('tries'))
  await refusal(t, one.cluster.remember('x', 'y', 1000))
  await refusal(t, one.cluster.recall('x'))
  await refusal(t, one.cluster.publish('follow', Buffer.from('x')))
  const later = inbox()
  const returned = inbox()
  await one.cluster.subscribe('later', later.listener)
  one.cluster.onReturn(() => {
    throw new Error('a bug')
  })
  one.cluster.onReturn(() => returned.listener(Buffer.alloc(0)))
  one.cluster.onReturn(() => t.fail('who left is not called'))()
  await refusal(t, one.cluster.livingGateways())
  const marks = [one.text().length, two.text().length]
  await redis.restart()
  await Promise.all([one.says(/reachable/, marks[0]), two.says(/reachable/, marks[1])])
  t.equal(one.cluster.available, true)
  t.equal(await one.cluster.count('tries', 1000), 1)
  await two.cluster.publish('follow', Buffer.from('again'))
  await box.atLeast(1)
  t.same(box.payloads.map(String), ['again'], 'subscribed again by itself')
  await two.cluster.publish('later', Buffer.from('now'))
  await later.atLeast(1)
  t.equal(returned.payloads.length, 1, 'who may have missed messages is told')
  t.equal(await one.cluster.livingGateways(), undefined, 'a peer may still be on its way back')
  const both = new Set([one.gateway, two.gateway])
  const isBoth = (living: ReadonlySet<string>) => living.size === both.size
  t.same(await known(() => one.cluster.livingGateways(), isBoth), both)
  t.equal(one.text().match(/Redis is gone/g)?.length, 1, 'told once, not at every try')
})

t.test('a Redis that is frozen counts as gone, until it answers again', async t => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const one = open(redis.url, IMPATIENT)
  t.teardown(() => one.cluster.close())
  // Here a slow answer looks like a frozen Redis as well.
  while (!one.cluster.available) await setImmediate()
  redis.freeze()
  await refusal(t, one.cluster.recall('x'))
  await refusal(t, one.cluster.recall('x'))
  t.equal(one.cluster.available, false)
  const mark = one.text().length
  redis.thaw()
  await one.says(/reachable/, mark)
  t.ok((await answered(() => one.cluster.count('y', 60_000))) > 0)
})

t.test('nobody asking, a frozen Redis is noticed by the heartbeat', async t => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const one = open(redis.url, IMPATIENT)
  t.teardown(() => one.cluster.close())
  // Here a slow answer looks like a frozen Redis as well.
  while (!one.cluster.available) await setImmediate()
  redis.freeze()
  await one.says(/Redis is gone/)
  t.equal(one.cluster.available, false)
})

t.test('a gateway that dies without a word is missed after its time', async t => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const one = open(redis.url, { deadAfterMs: 500 })
  // Its heart beats once and never again: as if it had been killed.
  const dead = open(redis.url, { heartbeatMs: 1_000_000_000, deadAfterMs: 500 })
  t.teardown(() => Promise.all([one.cluster.close(), dead.cluster.close()]))
  await dead.cluster.recall('x')
  t.same(
    await known(
      () => one.cluster.livingGateways(),
      living => !living.has(dead.gateway),
    ),
    new Set([one.gateway]),
  )
  t.ok((await known(() => dead.cluster.livingGateways())).has(dead.gateway), 'a gateway never counts itself as dead')
})

t.test('started without Redis, a gateway refuses, and works once Redis is there', async t => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  await redis.kill()
  const one = open(redis.url)
  t.teardown(() => one.cluster.close())
  await refusal(t, one.cluster.recall('x'))
  const box = inbox()
  one.cluster.onReturn(() => t.fail('the first connection is no return'))
  await one.cluster.subscribe('kill', box.listener)
  await redis.restart()
  await one.says(/reachable/)
  t.equal(await one.cluster.recall('x'), undefined)
  await one.cluster.publish('kill', Buffer.from('x'))
  await box.atLeast(1)
})

t.test('TLS and a password work, and neither the log nor an error ever shows the password', async t => {
  const redis = await startRedis({ tls: true, password: 'hush/hu sh@' })
  t.teardown(() => redis.stop())
  const ca = readFileSync(redis.caFile!, 'utf8')
  const one = open(redis.url, { ca })
  t.teardown(() => one.cluster.close())
  t.equal(await one.cluster.count('x', 1000), 1)

  const wrong = open(redis.url.replace('hush', 'wronghush'), { ca })
  const untrusted = open(redis.url)
  t.teardown(() => Promise.all([wrong.cluster.close(), untrusted.cluster.close()]))
  for (const { cluster, log, text, says } of [wrong, untrusted]) {
    const error = await refusal(t, cluster.recall('x'))
    log.error({ err: error }, 'as an edge would log it')
    await says(/Redis is gone/)
    t.notMatch(text(), /hush/)
  }
})

t.test('a TLS connection that breaks twice is made anew, and the gateway lives on', async t => {
  const redis = await startRedis({ tls: true })
  t.teardown(() => redis.stop())
  const sockets = new Set<Socket>()
  // In between: what passes is sound until somebody puts bytes in that are no TLS record, and cuts the line.
  const between = createServer(near => {
    const far = connect(redis.port, '127.0.0.1')
    sockets.add(near.on('close', () => far.destroy()).on('error', () => undefined))
    far.on('error', () => undefined)
    near.pipe(far).pipe(near)
  })
  between.listen(0, '127.0.0.1')
  await once(between, 'listening')
  t.teardown(() => {
    between.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port } = between.address() as AddressInfo
  const one = open(`rediss://127.0.0.1:${port}`, { ca: readFileSync(redis.caFile!, 'utf8') })
  t.teardown(() => one.cluster.close())
  t.equal(await one.cluster.count('x', 60_000), 1)
  const before = one.text().length
  for (const socket of sockets) socket.write(Buffer.alloc(100, 0x41))
  await one.says(/Redis is gone/, before)
  for (const socket of sockets) socket.resetAndDestroy()
  await one.says(/reachable/, before)
  t.equal(await one.cluster.count('x', 60_000), 2)
})
