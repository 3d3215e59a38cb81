/** For those who read a recording: standard input that is hidden from them becomes one marker for each run, however many pieces it came in. */

import type { FactEvent, RecordedEvent } from '../format/events.ts'

type HiddenInput = Extract<FactEvent, { type: 'hidden-input' }>

/** What readers are shown in its place. */
export function hiddenInputText({ bytes }: HiddenInput): string {
  return `${bytes.toLocaleString('en-US')} ${bytes === 1 ? 'byte' : 'bytes'} of input hidden`
}

export async function* summariseHiddenInput(events: AsyncIterable<RecordedEvent>): AsyncGenerator<RecordedEvent> {
  let run: (HiddenInput & { readonly at: number }) | undefined
  for await (const event of events) {
    if (event.type === 'hidden-input' && event.channel === run?.channel) {
      run = { ...run, bytes: run.bytes + event.bytes }
      continue
    }
    if (run !== undefined) yield run
    run = event.type === 'hidden-input' ? event : undefined
    if (run === undefined) yield event
  }
  if (run !== undefined) yield run
}
