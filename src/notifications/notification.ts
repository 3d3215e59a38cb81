/** What somebody is told: facts for people, in words that are safe to show anywhere. Never a secret. */

import { printable } from '../shared/text/printable.ts'
import { NOTIFICATION_KINDS, type NotificationKind } from './kinds.ts'

/** A person, by their name here; a channel of the configuration; or whoever the channels reach that want such kinds. */
export type Recipient = { readonly user: string } | { readonly channel: string } | 'administrators'

/** Where more of it is to be seen by those who may: it names what it is about, and opens nothing by itself. */
export interface Link {
  /** Of the API: `/v1/requests/req_…`. */
  readonly path: string
  /** For a terminal: `sallyport request show req_…`. */
  readonly command: string
}

export interface Notification {
  readonly kind: NotificationKind
  /** What has happened, in one line. What others typed may stand in it: it is made safe to show. */
  readonly subject: string
  /** More of it, that each recipient may know. */
  readonly lines?: readonly string[]
  readonly link?: Link | undefined
  readonly to: readonly Recipient[]
}

const MOST_SUBJECT = 160
const MOST_LINES = 30
const MOST_LINE = 500

/** One line each, nothing that steers a terminal or turns the direction of text, and bounded. */
export function bounded(given: Notification): Notification & { readonly lines: readonly string[] } {
  const { link } = given
  const lines = given.lines ?? []
  const kept = lines.slice(0, lines.length > MOST_LINES ? MOST_LINES - 1 : MOST_LINES)
  const more = lines.length - kept.length
  return {
    ...given,
    subject: line(given.subject, MOST_SUBJECT) || NOTIFICATION_KINDS[given.kind],
    link: link && { path: link.path, command: line(link.command, MOST_SUBJECT) },
    lines: [...kept.map(text => line(text, MOST_LINE)), ...(more > 0 ? [`… and ${more} more lines`] : [])],
  }
}

function line(text: string, most: number): string {
  // Cut first: what is shown of a character may be longer than it.
  const shown = printable(text.slice(0, most)).trim()
  return text.length > most || shown.length > most ? `${wholeCharacters(shown, most - 1)}…` : shown
}

/** Never half of a pair of surrogates. */
function wholeCharacters(text: string, most: number): string {
  const cut = text.slice(0, most)
  return /[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut
}
