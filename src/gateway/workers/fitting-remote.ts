/** The gateway as a worker of ours asks it: only for what the table of requests has. What a client said is refused here, and never an alarm there. */

import { GatewayError } from '../../shared/errors.ts'
import type { Remote } from '../../shared/rpc.ts'
import type { GatewayMethods } from './gateway-methods.ts'
import { REQUESTS } from './requests.ts'

/** Rejects with `BAD_REQUEST`, and sends nothing, where the values are none that a request can have. */
export function fittingRemote(gateway: Remote<GatewayMethods>): Remote<GatewayMethods> {
  const misfit = (method: keyof GatewayMethods, values: readonly unknown[]): GatewayError | undefined => {
    const [issue] = REQUESTS[method].values.safeParse(values).error?.issues ?? []
    if (issue === undefined) return undefined
    const where = issue.path.filter(part => typeof part === 'string').join('.')
    return new GatewayError('BAD_REQUEST', `${where === '' ? method : where}: ${issue.message}.`)
  }
  return {
    call(method, ...values) {
      const wrong = misfit(method, values)
      return wrong === undefined ? gateway.call(method, ...values) : Promise.reject(wrong)
    },
    notify(method, ...values) {
      if (misfit(method, values) === undefined) gateway.notify(method, ...values)
    },
  }
}
