/** Records requests that have no answer: those that wait for one, and those that never got one. */

import { BIND, CLOSE, EXECUTE, PARSE } from '../wire/message-types.ts'
import { type Asked, AskedNames } from './asked-names.ts'
import type { KnownStatements } from './known-statements.ts'
import type { Pending, PendingQueue } from './pending-queue.ts'
import type { Portal } from './portal.ts'
import type { Statement } from './statement.ts'
import type { StatementRecords } from './statement-records.ts'

/**
 * Records what waits for an answer and is not recorded as asked yet: it may take long, and run whatever becomes of this process.
 * `syncsInDoubt`: it is not known which Syncs the target has heeded.
 */
export function recordWaiting(
  queue: PendingQueue,
  known: KnownStatements,
  records: StatementRecords,
  syncsInDoubt: boolean,
): void {
  const { all, recordedBefore } = queue.markAllRecorded()
  if (recordedBefore === all.length) return
  const names = new AskedNames(known)
  const waiting: [Pending, Asked][] = []
  /** What is executed is recorded with its parts: they need no fact of their own. */
  const executed = new Set<Portal | Statement>()
  for (const [index, pending] of all.entries()) {
    const asked = names.next(pending, pending => known.portalOfRequest(pending))
    if (syncsInDoubt) names.doubtEverything()
    if (index < recordedBefore || asked === undefined) continue
    waiting.push([pending, asked])
    if (pending.kind === EXECUTE) executed.add(asked.portal).add(asked.portal.statement)
  }
  // In their order: an answer settles whatever has a lower number.
  for (const [pending, asked] of waiting) {
    const { portal } = asked
    const isRecorded = portal.recordedAsAsked || executed.has(pending.kind === PARSE ? portal.statement : portal)
    if (pending.runs || !isRecorded) records.recordAsked(pending, asked)
  }
}

/**
 * The session is over: records what is left as if each had been answered, since the target may have run what was on its way.
 * `syncsInDoubt` as above.
 */
export function recordNeverAnswered(
  queue: PendingQueue,
  known: KnownStatements,
  records: StatementRecords,
  syncsInDoubt: boolean,
): void {
  const asked: Portal[] = []
  for (let pending = queue.head; pending !== undefined; pending = queue.head) {
    if (pending.kind === PARSE) {
      known.parsed(pending)
      asked.push(known.portalOfRequest(pending))
    } else if (pending.kind === BIND) {
      known.bound(pending)
      asked.push(known.portal(pending.name))
    } else if (pending.kind === CLOSE) known.closed(pending)
    else if (pending.runs && !pending.recorded) records.record(pending, undefined)
    const mayRename = pending.runs && known.portalOfRequest(pending).mayRename
    known.doubts.afterUnanswered(pending.kind, mayRename)
    if (syncsInDoubt) known.doubts.doubtEverything()
    queue.shift()
  }
  for (const portal of asked) if (!portal.recorded) records.recordUnanswered(portal)
}
