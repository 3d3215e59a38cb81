/** The public half of the key that signs recordings and audit events, for verifying them elsewhere. */

import { z } from 'zod'
import type { ApiParts } from '../parts.ts'
import type { ApiRoutes } from './route.ts'

export function keys(app: ApiRoutes, { publicKeyPem }: ApiParts): void {
  app.get(
    '/v1/keys/signing',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'The public signing key (Ed25519, PEM)',
        tags: ['keys'],
        response: { 200: z.object({ publicKey: z.string() }) },
      },
    },
    async () => ({ publicKey: publicKeyPem }),
  )
}
