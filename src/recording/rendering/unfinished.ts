/** For those who read a recording: of what was recorded beforehand, only what nothing else records in the end. */

import type { FactEvent, RecordedEvent } from '../format/events.ts'

type Asked = Extract<FactEvent, { type: 'asked' }> & { readonly at: number }
type Relayed = Extract<FactEvent, { type: 'relayed' }> & { readonly at: number }

/**
 * Passes events on. What was `asked` is left out where its answer follows, and told at the end where none does; `relayed` is told
 * at the end for channels of which no later fact says how much passed. A gateway that was killed leaves such ends.
 */
export async function* withoutFinished(events: AsyncIterable<RecordedEvent>): AsyncGenerator<RecordedEvent> {
  let statements: Asked[] = []
  const files = new Map<string, Asked>()
  const relayed = new Map<number, Relayed>()
  for await (const event of events) {
    switch (event.type) {
      case 'asked':
        if (event.of.type === 'statement') statements.push(event)
        else files.set(`${event.of.channel} ${event.number}`, event)
        continue
      case 'relayed':
        relayed.set(event.channel, event)
        continue
      case 'statement': {
        const { asked } = event
        if (asked !== undefined) statements = statements.filter(({ number }) => number > asked)
        relayed.clear()
        break
      }
      case 'file':
        if (event.asked !== undefined) files.delete(`${event.channel} ${event.asked}`)
        break
      case 'channel-close':
        relayed.delete(event.channel)
        for (const [key, { of }] of files) if (of.type === 'file' && of.channel === event.channel) files.delete(key)
        break
    }
    yield event
  }
  yield* [...statements, ...files.values(), ...relayed.values()].sort((one, other) => one.at - other.at)
}
