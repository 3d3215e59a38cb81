/** What a client brings for the gateway among its startup parameters: `sallyport.reason`, by itself or in `options` (`PGOPTIONS`). */

import type { Brought } from '../../../session/protocol.ts'
import { isForGateway, parseOptions } from '../target-side/startup-parameters.ts'

const MOST_BROUGHT = 4096

export function broughtIn(parameters: ReadonlyMap<string, string>): Omit<Brought, 'attended'> {
  const found = new Map<string, string>()
  for (const [name, value] of [...optionsIn(parameters), ...parameters]) {
    if (isForGateway(name)) found.set(name.toLowerCase(), value.slice(0, MOST_BROUGHT))
  }
  return {
    reason: found.get('sallyport.reason'),
    ticket: found.get('sallyport.ticket'),
    length: found.get('sallyport.for'),
  }
}

/** Options that are none are refused when the target would be told of them. */
function optionsIn(parameters: ReadonlyMap<string, string>): [string, string][] {
  try {
    return parseOptions(parameters.get('options') ?? '')
  } catch {
    return []
  }
}
