/** A mutex for each key that all workers of a gateway share: the gateway holds them. */

import type { WithKeyLock } from '../../shared/concurrency/keyed-mutex.ts'
import type { Remote } from '../../shared/rpc.ts'
import type { GatewayMethods } from './gateway-methods.ts'

export function createRemoteLock(gateway: Remote<GatewayMethods>): WithKeyLock {
  return async (key, work) => {
    const lock = await gateway.call('lock', key)
    try {
      return await work()
    } finally {
      gateway.notify('unlock', lock)
    }
  }
}
