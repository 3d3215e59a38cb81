/** Shows a credential on a terminal's other screen, which leaves nothing behind to scroll to, until a key is pressed. */

import type { Conversation } from '../session/conversation.ts'
import { onceAborted } from '../session/session-end.ts'
import type { Secret } from '../shared/secret.ts'
import { printable } from '../shared/text/printable.ts'

const OTHER_SCREEN = '\x1b[?1049h\x1b[0m\x1b[H\x1b[2J'
const BACK = '\x1b[H\x1b[2J\x1b[?1049l'
/** Nobody looks at it for longer. */
const LONGEST_MS = 5 * 60_000

/** Erases the text. */
export async function showCredential(
  conversation: Pick<Conversation, 'gone' | 'write' | 'listen'>,
  /** What it is of whom. */
  what: string,
  text: Secret,
): Promise<void> {
  const lines = text.reveal().split('\n')
  text.erase()
  const shown = lines.map(printable)
  const escaped = shown.some((line, at) => line !== lines[at])
  const over = Promise.withResolvers<void>()
  const timer = setTimeout(over.resolve, LONGEST_MS)
  onceAborted(conversation.gone, over.resolve)
  const notes = [
    ...(escaped ? ['Characters that are not seen are written as \\x.., \\u{..}: --to-age gives it as it is.'] : []),
    'It is changed when the check-out ends. Any key takes it away.',
  ]
  await conversation.write(
    `${OTHER_SCREEN}The ${what}, shown this once:\n\n${shown.join('\n')}\n\n${notes.join('\n')}\n`,
  )
  conversation.listen({ typed: () => over.resolve(), ended: () => over.resolve() })
  await over.promise
  clearTimeout(timer)
  conversation.listen(undefined)
  await conversation.write(BACK)
}
