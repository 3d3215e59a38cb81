/** For those who read a recording: output that is no text (a file on its way, rsync's and git's own talk) becomes one line. */

import { isStream, type RecordedEvent } from '../format/events.ts'

const NUL = 0

/** Passes events on; of channels without a terminal, runs of output with NUL bytes in it become one `binary` event each. */
export async function* summariseBinary(events: AsyncIterable<RecordedEvent>): AsyncGenerator<RecordedEvent> {
  const terminals = new Set<number>()
  let run: { type: 'binary'; channel: number; bytes: number; at: number } | undefined
  for await (const event of events) {
    if (event.type === 'pty') terminals.add(event.channel)
    if (isStream(event) && !terminals.has(event.channel) && event.bytes.includes(NUL)) {
      if (run?.channel === event.channel) run.bytes += event.bytes.length
      else {
        if (run !== undefined) yield run
        run = { type: 'binary', channel: event.channel, bytes: event.bytes.length, at: event.at }
      }
      continue
    }
    if (run !== undefined) yield run
    run = undefined
    yield event
  }
  if (run !== undefined) yield run
}
