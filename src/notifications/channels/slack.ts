/** A chat as Slack has it, by its incoming webhook. What stands in a message is text: it mentions nobody, and links to nothing but our link. */

import type { Channel, Message } from './channel.ts'
import { deliverByPost, type Receiver } from './deliver-by-post.ts'

export function slackChannel(receiver: Receiver, facts: Pick<Channel, 'events' | 'content'>): Channel {
  return {
    ...{ kind: 'slack', name: receiver.name, ...facts, people: false, own: true, needsAddress: false, combines: true },
    async send(message, signal) {
      const body = Buffer.from(JSON.stringify(slackBody(message)), 'utf8')
      await deliverByPost(receiver, body, { 'content-type': 'application/json' }, signal)
    },
  }
}

/** `verbatim`: nothing in it becomes a link or a mention by itself. The `text` is what notifications on a screen show. */
export function slackBody({ subject, lines, link }: Message) {
  const texts = [`*${plain(subject)}*`, ...lines.map(plain)]
  if (link !== undefined) {
    texts.push(link.url === undefined ? `\`${plain(link.command)}\`` : `<${plain(link.url)}|${plain(link.command)}>`)
  }
  return {
    text: plain(subject),
    mrkdwn: false,
    link_names: false,
    unfurl_links: false,
    unfurl_media: false,
    blocks: sections(texts).map(text => ({ type: 'section', text: { type: 'mrkdwn', text, verbatim: true } })),
  }
}

/** Of a section's text. */
const MOST_CHARACTERS = 3000

function sections(texts: readonly string[]): string[] {
  const all: string[] = []
  for (const text of texts) {
    const joined = all.length === 0 ? text : `${all.at(-1)}\n${text}`
    if (all.length > 0 && joined.length <= MOST_CHARACTERS) all[all.length - 1] = joined
    else all.push(text)
  }
  return all
}

/** Slack's own rule for text: these three, and nothing else. What is left can make letters bold, and no more. */
function plain(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
