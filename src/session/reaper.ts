/** Ends what a dead gateway left behind: its sessions' rows, its leases, and its recordings, sealed as interrupted. */

import type { Audit } from '../audit/event.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { StoreGateways } from '../database/gateways.ts'
import type { Log } from '../shared/log.ts'
import type { LiveSessions } from './live-sessions.ts'
import type { MarkedRecordings } from './marked-recordings.ts'
import type { OwedSteps } from './owed-steps.ts'
import type { SessionStore } from './session-store.ts'

const EVERY_MS = 5000

export interface Reaper {
  /** One round: at start, then every few seconds. Rounds never overlap. `dead` is known to be dead, whatever was heard of it lately. */
  round(dead?: string): Promise<void>
  /** The gateways that live; undefined where nobody knows now. */
  living(): Promise<Set<string> | undefined>
  close(): Promise<void>
}

export function createReaper(parts: {
  cluster: Cluster
  /** Undefined where the store is this gateway's alone (SQLite): whatever another id left there is dead. */
  gateways: StoreGateways | undefined
  store: SessionStore
  live: LiveSessions
  marked: MarkedRecordings
  endLeases: (session: string) => Promise<void>
  audit: Audit
  /** What sessions of this gateway still owe, too, is tried again in every round. */
  owed: OwedSteps
  log: Log
}): Reaper {
  const { cluster, gateways, store, live, audit, owed, log } = parts
  let running: Promise<void> = Promise.resolve()
  let closed = false
  async function endOrphans(living: ReadonlySet<string>): Promise<void> {
    for (const row of await store.orphans(living)) {
      // Before the row, which is how the next round would find them.
      await parts.endLeases(row.id)
      // Several living gateways may find the same orphan: the one whose update changes the row goes on.
      if (!(await store.end(row.id, 'interrupted'))) continue
      const data = { reason: 'interrupted', gateway: row.gateway }
      await owed.settle(row.id, [
        () => audit.append({ kind: 'session.ended', actor: 'gateway', session: row.id, data }),
      ])
    }
  }

  /** A session of ours that another gateway has ended: it took us for dead, and the books are closed. */
  async function endReaped(): Promise<void> {
    for (const id of await store.endedAmong(live.ids())) live.end(id, 'interrupted')
  }

  /** Who lost only the cluster, or only the store, is alive. */
  async function livingNow(): Promise<Set<string> | undefined> {
    const inCluster = await cluster.livingGateways()
    return inCluster?.union((await gateways?.alive()) ?? new Set<string>())
  }

  async function round(dead?: string): Promise<void> {
    await gateways?.beat()
    await endReaped()
    await owed.retry()
    const living = await livingNow()
    if (living === undefined) return
    if (dead !== undefined) living.delete(dead)
    await endOrphans(living)
    await parts.marked.lookAfter(living)
  }

  function schedule(dead?: string): Promise<void> {
    running = running.then(async () => {
      if (!closed)
        await round(dead).catch(error =>
          log.warn({ err: error }, 'looking for interrupted sessions failed; trying again'),
        )
    })
    return running
  }

  const timer = setInterval(() => void schedule(), EVERY_MS)
  timer.unref()
  return {
    round: schedule,
    living: livingNow,
    async close() {
      closed = true
      clearInterval(timer)
      await running
      await gateways?.leave().catch(error => log.warn({ err: error }, 'the store was not told that this gateway stops'))
    },
  }
}
