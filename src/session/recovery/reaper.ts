/** Ends what a dead gateway left behind: its sessions' rows, its leases, and its recordings, sealed as interrupted. */

import type { AuditAppender } from '../../audit/event.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import type { StoreGateways } from '../../database/gateways.ts'
import type { Recordings } from '../../recording/store/recordings.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Log } from '../../shared/log.ts'
import type { Vault } from '../../vault/vault.ts'
import type { LiveSessions } from '../live/live-sessions.ts'
import type { ModeratedSessions } from '../records/moderated-sessions.ts'
import type { PendingWrites } from '../records/pending-writes.ts'
import type { SessionChanges } from '../records/session-changes.ts'
import type { SessionStore } from '../records/session-store.ts'
import type { MarkedRecordings } from './marked-recordings.ts'
import type { RecordsRepair } from './repair-records.ts'

const EVERY_MS = 5000
/** A gateway of the first version, beside this one, writes the session's row after the lease's. */
const ROW_AFTER_MS = 30_000
/** What earlier versions left is looked for at start and, while one may still run, every few minutes. */
const REPAIR_EVERY = 60

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
  moderated: Pick<ModeratedSessions, 'removeLeft'>
  /** The sessions of this gateway. */
  live: Pick<LiveSessions, 'ids' | 'end'>
  marked: MarkedRecordings
  changes: Pick<SessionChanges, 'endLeft' | 'endLeftLeases'>
  recordings: Pick<Recordings, 'sealOf' | 'mark' | 'noted'>
  vault: Pick<Vault, 'openLeases'>
  /** What earlier versions left. */
  recordsRepair: RecordsRepair
  audit: AuditAppender
  /** What sessions of this gateway still owe, too, is tried again in every round. */
  pendingWrites: PendingWrites
  clock: Clock
  log: Log
}): Reaper {
  const { cluster, gateways, store, live, changes, recordings, vault, audit, pendingWrites, clock, log } = parts
  let running: Promise<void> = Promise.resolve()
  let rounds = 0
  let closed = false

  async function endOrphans(living: ReadonlySet<string>): Promise<void> {
    for (const row of await store.orphans(living)) {
      const seal = await recordings.sealOf(row.id).catch(error => {
        log.error({ err: error, session: row.id }, 'the recording of an interrupted session cannot be read now')
        return undefined
      })
      // Several living gateways may find the same orphan: the one whose update changes the row goes on.
      if (!(await changes.endLeft(row, seal))) continue
      if (seal !== undefined) await recordings.noted(row.id)
      // Its marker may have been taken away.
      else await recordings.mark(row.id)
    }
  }

  /** Leases are begun and ended together with their session; those that a gateway of the first version lent were not. */
  async function endLeftLeases(): Promise<void> {
    const leases = await vault.openLeases(clock.now() - ROW_AFTER_MS)
    // A check-out is nobody's connection: no gateway's death ends it.
    const open = new Set(leases.flatMap(({ holder }) => (holder.kind === 'session' ? [holder.session] : [])))
    for (const ids of batchesOf([...open])) {
      for (const row of await store.getAll(ids)) if (row.state !== 'ended') open.delete(row.id)
    }
    for (const session of open) await changes.endLeftLeases(session)
  }

  /** A session of ours that another gateway has ended: it took us for dead, and has finalized it. */
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
    await pendingWrites.retry()
    const living = await livingNow()
    if (living === undefined) return
    if (dead !== undefined) living.delete(dead)
    // First: what is audited below comes after what was audited before.
    await audit.flush(living).catch(error => log.warn({ err: error }, 'events wait in the outbox; trying again'))
    await endOrphans(living)
    await parts.moderated.removeLeft(living)
    await endLeftLeases()
    await parts.marked.lookAfter(living)
    if (rounds++ % REPAIR_EVERY === 0) await parts.recordsRepair.repair()
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

function batchesOf(ids: readonly string[], size = 500): string[][] {
  return Array.from({ length: Math.ceil(ids.length / size) }, (_, index) => ids.slice(index * size, (index + 1) * size))
}
