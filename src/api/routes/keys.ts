/** Public keys of the gateway: for verifying recordings elsewhere, and for trusting its TLS certificate. */

import { z } from 'zod'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import type { ApiRoutes } from './route.ts'

export function keys(app: ApiRoutes, { publicKeyPem, listen }: ApiParts): void {
  const tags = ['keys']

  app.get(
    '/v1/keys/signing',
    {
      schema: {
        summary: 'The public signing key (Ed25519, PEM)',
        tags,
        response: { 200: z.object({ publicKey: z.string() }) },
      },
    },
    async () => ({ publicKey: publicKeyPem }),
  )

  app.get(
    '/v1/keys/certificate',
    {
      schema: {
        summary: "What to trust for the API's TLS: its own certificate, or the gateway's CA (PEM)",
        tags,
        response: { 200: z.object({ certificate: z.string() }) },
      },
    },
    async () => {
      if (listen.tls === undefined) throw notFound('The API is not served on TLS.')
      return { certificate: listen.tls.trusted }
    },
  )
}
