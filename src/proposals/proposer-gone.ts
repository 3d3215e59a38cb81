/** Whoever proposed a change could not do so any more. */

import { GatewayError } from '../shared/errors.ts'

export class ProposerGone extends GatewayError {
  constructor(why: string) {
    super('CONFLICT', `The proposal is outdated: ${why} Propose it anew.`)
  }
}
