import t from 'tap'
import { redisConnectionOptions } from '../../../src/cluster/redis-url.ts'
import { GatewayError } from '../../../src/shared/errors.ts'
import { systemTrust } from '../../../src/shared/tls/system-trust.ts'

t.test('reads every part of a Redis URL', async t => {
  t.same(redisConnectionOptions('redis://cache'), { host: 'cache', port: 6379, db: 0 })
  t.same(redisConnectionOptions('redis://:p%40ss%2f@cache:7000/3'), {
    host: 'cache',
    port: 7000,
    password: 'p@ss/',
    db: 3,
  })
  t.same(redisConnectionOptions('rediss://gate:a%b@cache.example/', 'PEM'), {
    host: 'cache.example',
    port: 6379,
    username: 'gate',
    password: 'a%b',
    db: 0,
    tls: { servername: 'cache.example', ca: 'PEM' },
  })
  t.same(redisConnectionOptions('rediss://[::1]:7000').host, '::1')
  const { tls } = redisConnectionOptions('rediss://[::1]:7000')
  t.same(Object.keys(tls!), ['secureContext'], 'no server name for an address')
  t.equal(tls!.secureContext, systemTrust())
})

t.test('refuses what is not a Redis URL without repeating it', async t => {
  for (const text of [
    'http://:hush@cache',
    'redis://:hush@cache/x',
    'redis://:hush@cache?tls=no',
    ':hush',
    'redis://:hush@',
    'redis:hush',
  ]) {
    try {
      redisConnectionOptions(text)
      t.fail(`took ${text}`)
    } catch (error) {
      t.ok(error instanceof GatewayError && error.code === 'CONFIG_INVALID')
      t.notMatch(JSON.stringify([error, (error as Error).message, (error as Error).cause]), /hush/)
    }
  }
})
