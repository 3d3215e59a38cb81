/** Asks for one line on a channel, edited with backspace alone. */

import type { Conversation } from '../session/conversation.ts'
import { onceAborted } from '../session/session-end.ts'
import { createKeyReader, type Key } from './menu/keys.ts'

const MOST_LINE = 500

type Asked = Pick<Conversation, 'terminal' | 'gone' | 'write' | 'complain' | 'listen'>

/** Undefined: they left. What is typed before is for nobody. Without a terminal, the question stands beside what a program reads. */
export function askLine(conversation: Asked, question: string, echo: boolean): Promise<string | undefined> {
  const reader = createKeyReader()
  const say = (text: string) =>
    void (conversation.terminal === undefined ? conversation.complain(text) : conversation.write(text))
  let line = ''
  return new Promise(resolve => {
    const answered = (answer: string | undefined) => {
      conversation.listen(undefined)
      say('\n')
      resolve(answer?.trim())
    }
    const take = (key: Key): boolean => {
      if (key.kind === 'enter') answered(line)
      else if (key.kind === 'interrupt' || key.kind === 'end-of-input') answered(undefined)
      else if (key.kind === 'text') {
        const text = [...key.text.replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, ' ')]
          .slice(0, Math.max(0, MOST_LINE - line.length))
          .join('')
        line += text
        if (echo) say(text)
      } else if (key.kind === 'backspace' && line !== '') {
        line = [...line].slice(0, -1).join('')
        if (echo) say('\b \b')
      }
      return key.kind !== 'enter' && key.kind !== 'interrupt' && key.kind !== 'end-of-input'
    }
    say(question)
    conversation.listen({
      typed(bytes) {
        for (const key of reader.push(bytes)) if (!take(key)) return
      },
      // What a program has fed is its answer, with a line end or without.
      ended: () => answered(line === '' ? undefined : line),
    })
    onceAborted(conversation.gone, () => answered(undefined))
  })
}
