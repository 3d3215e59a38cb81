/** A chat as Teams has it, by the webhook of a workflow: an Adaptive Card, of text that Teams does not interpret. */

import type { Channel, Message } from './channel.ts'
import { deliverByPost, type Receiver } from './deliver-by-post.ts'

export function teamsChannel(receiver: Receiver, facts: Pick<Channel, 'events' | 'content'>): Channel {
  return {
    ...{ kind: 'teams', name: receiver.name, ...facts, people: false, own: true, needsAddress: false, combines: true },
    async send(message, signal) {
      const body = Buffer.from(JSON.stringify(teamsBody(message)), 'utf8')
      await deliverByPost(receiver, body, { 'content-type': 'application/json' }, signal)
    },
  }
}

/** Runs of text, which have no Markdown (a TextBlock would), and whose mentions would need entities of their own. */
export function teamsBody({ subject, lines, link }: Message) {
  const run = (text: string, more = {}) => ({
    type: 'RichTextBlock',
    inlines: [{ type: 'TextRun', text, ...more }],
  })
  const body = [
    run(subject, { weight: 'Bolder' }),
    ...lines.map(text => run(text)),
    ...(link === undefined ? [] : [run(link.command, { fontType: 'Monospace' })]),
  ]
  const actions = link?.url === undefined ? [] : [{ type: 'Action.OpenUrl', title: 'Open', url: link.url }]
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    ...{ type: 'AdaptiveCard', version: '1.4', body, actions },
  }
  return {
    type: 'message',
    attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content }],
  }
}
