/** What happened to a file, whichever protocol moved it. */

import type { FactEvent } from '../../../../recording/format/events.ts'

export type FileEvent = Omit<Extract<FactEvent, { type: 'file' }>, 'type' | 'channel' | 'via'>
