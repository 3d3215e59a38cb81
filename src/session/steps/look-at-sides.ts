/** Whether both sides of a session that is over are closed: seen at their sockets, and not taken for granted. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Carrier, Downstream, Upstream } from '../protocol.ts'
import type { ClosedSides } from '../records/session-store.ts'

/** A peer that has been sent everything closes in a moment. */
const FINISHED_MS = 300
/** For what is still on its way. */
const PATIENCE_MS = 2500
/** A socket that is destroyed is closed at once. */
const DESTROY_MS = 1000

export interface Sides {
  /** Undefined where the person was not let in. */
  readonly downstream: Pick<Downstream, 'carrier'> | undefined
  /** Undefined where there never was one. */
  readonly upstream: Pick<Upstream, 'carrier'> | undefined
}

/** Most are closed by now. The others are waited for a moment, and then closed whatever their peers do. */
export async function lookAtSides({ downstream, upstream }: Sides): Promise<ClosedSides> {
  const carriers = [downstream, upstream].flatMap(side => side?.carrier ?? [])
  const open = () => carriers.filter(({ closed }) => !closed)
  await closedWithin(open(), FINISHED_MS)
  for (const carrier of open()) if (carrier.writableFinished) carrier.destroy()
  await closedWithin(open(), PATIENCE_MS - FINISHED_MS)
  for (const carrier of open()) carrier.destroy()
  await closedWithin(open(), DESTROY_MS)
  return { client: downstream?.carrier.closed ?? true, target: upstream?.carrier.closed ?? true }
}

async function closedWithin(carriers: readonly Carrier[], ms: number): Promise<void> {
  if (carriers.length === 0) return
  const enough = new AbortController()
  const patience = sleep(ms, undefined, { ref: false, signal: enough.signal }).catch(() => undefined)
  const closing = carriers.map(carrier => new Promise<void>(resolve => void carrier.once('close', resolve)))
  await Promise.race([Promise.all(closing), patience])
  enough.abort()
}
