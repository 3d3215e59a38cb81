/** What is done by itself, by kind: the one table of it. A job whose kind is not in it waits for a gateway that knows it. */

import type { JobHandler } from '../schedule/job.ts'

/** Each kind's handler is made where its work is; here they are put together. */
export function jobHandlers(): Readonly<Record<string, JobHandler>> {
  return {}
}
