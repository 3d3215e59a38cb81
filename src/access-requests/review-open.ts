/** Decides anew for all requests that are open: what would not be given today, to whom it was given, is revoked. */

import type { Ends } from './end.ts'
import { type GroundStores, groundOf, whyOver } from './ground.ts'
import type { RequestRows } from './request-rows.ts'

interface Parts extends GroundStores {
  readonly rows: Pick<RequestRows, 'open'>
  readonly ends: Pick<Ends, 'endBy'>
}

const PAGE = 500

export function createReviewOpen({ rows, ends, ...stores }: Parts) {
  return async (): Promise<void> => {
    for await (const some of rows.open(PAGE)) {
      const ground = await groundOf(some, stores)
      for (const request of some) {
        const words = whyOver(request, ground) ?? request.withdrawn
        if (words !== undefined) await ends.endBy(request.id, 'revoke', { by: 'gateway', words })
      }
    }
  }
}
