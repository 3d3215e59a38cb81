/** Reads calendars one after the other on a thread with bounded memory and time: a rule may recur for ever without an occurrence. */

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { CalendarResult, CalendarWork } from './calendar-thread.ts'
import { CalendarUnfit } from './occurrences.ts'
import type { CalendarSpan, ReadCalendar } from './read-calendar.ts'

const MOST_MEMORY_MB = 256
const MOST_TIME_MS = 20_000

export function createCalendarReader(mostTimeMs = MOST_TIME_MS) {
  let last: Promise<unknown> = Promise.resolve()

  /** Throws CalendarUnfit. */
  return function read(text: string, span: CalendarSpan, signal?: AbortSignal): Promise<ReadCalendar> {
    const turn = last.then(() => readNow({ text, span }, mostTimeMs, signal))
    last = turn.catch(() => undefined)
    return turn
  }
}

async function readNow(work: CalendarWork, mostTimeMs: number, signal?: AbortSignal): Promise<ReadCalendar> {
  signal?.throwIfAborted()
  const late = AbortSignal.timeout(mostTimeMs)
  const thread = new Worker(new URL('./calendar-thread.ts', import.meta.url), {
    ...{ execArgv: [], env: {}, workerData: work },
    resourceLimits: { maxOldGenerationSizeMb: MOST_MEMORY_MB, maxYoungGenerationSizeMb: 32 },
  })
  try {
    const given = signal === undefined ? late : AbortSignal.any([late, signal])
    const [result] = (await once(thread, 'message', { signal: given })) as [CalendarResult]
    if ('unfit' in result) throw new CalendarUnfit(result.unfit)
    return result.read
  } catch (error) {
    if (late.aborted) throw new CalendarUnfit(`it could not be read within ${mostTimeMs / 1000} s`)
    if ((error as { code?: string }).code === 'ERR_WORKER_OUT_OF_MEMORY')
      throw new CalendarUnfit('it needs too much memory')
    throw error
  } finally {
    await thread.terminate()
  }
}
