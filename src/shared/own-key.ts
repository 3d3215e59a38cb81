/** A key of the gateway's own: one for all gateways of a store. */

import type { Secret } from './secret.ts'

export interface OwnKey {
  /** What others may see: a public key line, a certificate. */
  readonly public: string
  readonly secret: Secret
}
