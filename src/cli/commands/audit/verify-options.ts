/** What `sallyport audit verify` is asked with. */

import type { ChainHead } from '../../../audit/chain/chain.ts'

export interface VerifyOptions {
  readonly key?: string
  readonly checkpoint?: ChainHead | undefined
  readonly heads?: readonly string[]
  readonly tsaCa?: string
  readonly oneOfSeveral?: boolean
  readonly fromStart?: boolean
}
