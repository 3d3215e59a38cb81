/** A thread that reads one calendar (`read-on-thread.ts` starts it, and ends it where it takes too long). */

import { parentPort, workerData } from 'node:worker_threads'
import { CalendarUnfit } from './occurrences.ts'
import { type CalendarSpan, type ReadCalendar, readCalendar } from './read-calendar.ts'

export interface CalendarWork {
  readonly text: string
  readonly span: CalendarSpan
}

export type CalendarResult = { readonly read: ReadCalendar } | { readonly unfit: string }

const { text, span } = workerData as CalendarWork
parentPort!.postMessage(result())

function result(): CalendarResult {
  try {
    return { read: readCalendar(text, span) }
  } catch (error) {
    if (error instanceof CalendarUnfit) return { unfit: error.message }
    return { unfit: 'it cannot be read' }
  }
}
