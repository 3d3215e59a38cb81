/** What decides about access and stands in the configuration: all gateways of one store must have it alike, and tell each other whether they do. */

import { createHash } from 'node:crypto'
import type { Config } from '../config/config.ts'

/** Digests, by the name of the setting; the order of what is a set does not matter. */
export function sharedSettings({ fourEyes, authentication }: Config): Record<string, string> {
  return {
    fourEyes: digestOf(fourEyes && [fourEyes.kinds.toSorted(), fourEyes.approvers.toSorted(), fourEyes.validForMs]),
    'authentication.factors': digestOf(authentication.factors.map(set => set.toSorted().join()).toSorted()),
  }
}

function digestOf(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(value ?? null))
    .digest('base64url')
}
