/** A receiver of ours by Standard Webhooks: JSON for programs, signed. */

import type { WebhookSettings } from '../../config/notifications.ts'
import type { Clock } from '../../shared/clock.ts'
import { type WebhookSecrets, webhookHeaders } from '../../shared/cryptography/standard-webhooks.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import type { Channel, Message } from './channel.ts'
import { deliverByPost, type Receiver } from './deliver-by-post.ts'

export function webhookChannel(
  receiver: Receiver,
  { events, people, content }: WebhookSettings,
  secrets: WebhookSecrets,
  clock: Clock,
): Channel {
  return {
    ...{
      kind: 'webhook',
      name: receiver.name,
      events,
      people,
      own: true,
      needsAddress: false,
      content,
      combines: false,
    },
    async send(message, signal) {
      const body = Buffer.from(JSON.stringify(webhookBody(message)), 'utf8')
      await deliverByPost(receiver, body, webhookHeaders(message.id, body, clock.now(), secrets), signal)
    },
  }
}

export function webhookBody({ id, kind, at, subject, lines, link, to }: Message) {
  return {
    type: kind,
    timestamp: isoTime(at),
    data: { id, subject, lines, link: link ?? null, to: to?.user ?? null },
  }
}
