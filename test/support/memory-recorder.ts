/** A recorder that keeps its events in memory, as fast as they come. */

import type { FactEvent, ProtectedPart, RecordingEvent } from '../../src/recording/format/events.ts'
import type { Recorder } from '../../src/recording/writing/recorder.ts'

/** `changes` are taken over as they are: getters stay getters. */
export function memoryRecorder(
  events: RecordingEvent[],
  changes: Partial<Recorder> = {},
  protectedParts = new Map<FactEvent, ProtectedPart>(),
): Recorder {
  const recorder: Recorder = {
    promptness: 'within-bound',
    stream: (type, channel, bytes) => events.push({ type, channel, bytes: Buffer.from(bytes) }),
    hiddenInput: (channel, bytes) => events.push({ type: 'hidden-input', channel, bytes: bytes.length }),
    fact(event, _ago, _counted, whole) {
      const fact = structuredClone(event)
      events.push(fact)
      if (whole !== undefined) protectedParts.set(fact, structuredClone(whole))
    },
    count: () => undefined,
    noteDue: false,
    flush: () => undefined,
    position: 0,
    mayPass: () => true,
    progress: () => Promise.resolve(),
    failure: new AbortController().signal,
    seal: () => Promise.resolve({ file: '', bytes: 0, hash: '' }),
  }
  return Object.defineProperties(recorder, Object.getOwnPropertyDescriptors(changes))
}
