/** Signatures of what is POSTed, as Standard Webhooks has them (https://www.standardwebhooks.com, specification 1.0). */

import { createHmac } from 'node:crypto'
import { Secret } from '../secret.ts'

/** `whsec_` and the base64 of 24 to 64 bytes. */
const SECRET = /^whsec_([A-Za-z0-9+/]{32,88}={0,2})$/

/** The one in force; or while it is changed at the receivers the new one and the one before: what is sent is signed by both. */
export type WebhookSecrets = readonly [Secret, Secret?]

export const WEBHOOK_SECRET_WORDS =
  'whsec_ and 24 to 64 bytes in base64, for example the output of: echo whsec_$(openssl rand -base64 32)'

/** A line each. Undefined for a text that is none. */
export function parseWebhookSecrets(text: string): WebhookSecrets | undefined {
  const lines = text.trim().split(/\r?\n/)
  const [first, second] = lines.map(parseWebhookSecret)
  if (first === undefined || lines.length > 2 || (lines.length === 2 && second === undefined)) return undefined
  return second === undefined ? [first] : [first, second]
}

function parseWebhookSecret(text: string): Secret | undefined {
  const bytes = Buffer.from(SECRET.exec(text.trim())?.[1] ?? '', 'base64')
  return bytes.length >= 24 && bytes.length <= 64 ? new Secret(bytes) : undefined
}

/** `id` is the same for each try: a receiver knows by it what it has already. `now` in milliseconds since the epoch. */
export function webhookHeaders(
  id: string,
  body: Buffer,
  now: number,
  secrets: WebhookSecrets | undefined,
): Record<string, string> {
  const timestamp = String(Math.floor(now / 1000))
  const headers = { 'content-type': 'application/json', 'webhook-id': id, 'webhook-timestamp': timestamp }
  if (secrets === undefined) return headers
  const signatures = secrets.flatMap(secret => {
    if (secret === undefined) return []
    const mac = createHmac('sha256', secret.revealBytes()).update(`${id}.${timestamp}.`).update(body)
    return [`v1,${mac.digest('base64')}`]
  })
  return { ...headers, 'webhook-signature': signatures.join(' ') }
}
