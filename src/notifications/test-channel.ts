/** Sends a test by a channel at once, and says what came of it. */

import { JobFailed } from '../schedule/job.ts'
import type { Clock } from '../shared/clock.ts'
import { newId } from '../shared/ids.ts'
import type { Channel, Message } from './channels/channel.ts'

/** Undefined: it was taken over there. A text: why not, in words for administrators. */
export async function testChannel(
  channel: Channel,
  to: Message['to'],
  by: string,
  clock: Clock,
): Promise<string | undefined> {
  const message: Message = {
    ...{ id: newId('dlv', clock.now()), kind: 'notification.test', at: clock.now(), to, link: undefined },
    subject: 'A test of Sallyport: notifications arrive here',
    lines: [`Sent by ${by}, by the channel ${channel.name}.`],
  }
  try {
    await channel.send(message, new AbortController().signal)
    return undefined
  } catch (error) {
    if (error instanceof JobFailed) return error.message
    throw error
  }
}
