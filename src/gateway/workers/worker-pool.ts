/**
 * The workers of a gateway: one process for each core, so that sessions need not share one.
 * Each connection is handed to the one that has the fewest.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { AggregatorRegistry } from 'prom-client'
import type { WatchedSession } from '../../check-out/watch.ts'
import type { EndReason } from '../../session/state.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { ProcessMetrics } from '../../shared/metrics.ts'
import type { Listeners } from '../listeners.ts'
import { CLOSE_MS, type WorkerSessions } from '../parts.ts'
import type { Begin } from './messages.ts'
import { createReportReader } from './read-report.ts'
import { type Exit, WorkerProcess, type WorkerProcessOptions } from './worker-process.ts'

export interface WorkerPoolOptions extends Omit<WorkerProcessOptions, 'begin' | 'readReport'> {
  readonly begin: Omit<Begin, 'kind' | 'gateway'>
  readonly size: number
  /** The ids of those that are alive are kept in here. */
  readonly ids: Set<string>
}

type PoolOptions = WorkerPoolOptions & Pick<WorkerProcessOptions, 'readReport'>

export interface WorkerPool extends Listeners, WorkerSessions {}

/** After this time a worker counts as one that works: when it dies, the next one is started at once. */
const STEADY_MS = 60_000
/** Others are started after ever longer pauses. */
const SHORTEST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000
/** A worker that is not ready by then is killed. */
const START_MS = 60_000
/** Each is asked so often whether it is there. */
const PING_MS = 5000
/** Who did not answer so many times gets no connections, or is killed. */
const MISSED_IS_BUSY = 2
const MISSED_IS_HUNG = 6

/** Resolves when all are ready; throws what keeps one from starting. They are ended with `started`, if `drain` did not. */
export async function createWorkerPool(options: WorkerPoolOptions, started: AsyncDisposableStack): Promise<WorkerPool> {
  const readReport = await createReportReader(options.parts.metrics.registry)
  const pool = new Pool({ ...options, readReport })
  started.defer(() => pool.drain(0, AbortSignal.abort()))
  await pool.start()
  return pool
}

class Pool implements WorkerPool {
  readonly #options: PoolOptions
  /** All that run, and those of them that take connections. */
  readonly #workers = new Set<WorkerProcess>()
  readonly #ready = new Set<WorkerProcess>()
  /** Of those that died: their sessions are ended and their recordings sealed. */
  readonly #pendingCleanups = new Set<Promise<void>>()
  readonly #stopping = new AbortController()
  #started = 0
  #pauseMs = 0
  /** What those counted that are no more: a counter never falls. */
  #counted: Promise<ProcessMetrics> = Promise.resolve([])
  #pinging: NodeJS.Timeout | undefined

  constructor(options: PoolOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.size }, () => this.#startOne()))
    this.#pinging = setInterval(() => this.#pingAll(), PING_MS).unref()
  }

  readonly handle: Listeners['handle'] = (protocol, accepted) => {
    const [least] = this.#taking().sort((a, b) => a.load - b.load)
    if (least !== undefined) return least.take(protocol, accepted)
    const { log } = this.#options.parts
    const { slot, socket, source } = accepted
    log.warn({ source: source.address, protocol }, 'no worker is there: a connection is cut')
    socket.destroy()
    if (typeof slot === 'function' || 'full' in slot) return
    slot.blame('nothing')
    slot.release()
  }

  readonly report: Listeners['report'] = async () => {
    // Before anything is waited for: a worker that dies meanwhile must not count twice.
    const counted = this.#counted
    const asked = Array.from(this.#ready, worker => worker.report())
    const own = await this.#options.parts.metrics.registry.getMetricsAsJSON()
    const reports = await Promise.all(asked)
    return {
      sessions: reports.reduce((sum, { sessions }) => sum + sessions, 0),
      taking: this.#taking().length > 0,
      metrics: [own, await counted, ...reports.flatMap(({ metrics }) => metrics)],
    }
  }

  readonly drain: Listeners['drain'] = async (drainMs, hurry) => {
    this.#stopping.abort()
    clearInterval(this.#pinging)
    const workers = [...this.#workers]
    // The time to end sessions, and the time to finalize them.
    let deadline = setTimeout(() => this.#killAll(), drainMs + 2 * CLOSE_MS)
    const hurryAll = () => {
      for (const worker of workers) worker.hurry()
      clearTimeout(deadline)
      deadline = setTimeout(() => this.#killAll(), 2 * CLOSE_MS)
    }
    for (const worker of workers) worker.drain(drainMs)
    if (hurry.aborted) hurryAll()
    else hurry.addEventListener('abort', hurryAll, { once: true })
    await Promise.all(workers.map(worker => worker.exited))
    clearTimeout(deadline)
    hurry.removeEventListener('abort', hurryAll)
    await Promise.all(this.#pendingCleanups)
  }

  all(): WatchedSession[] {
    return [...this.#workers].flatMap(worker => worker.sessions)
  }

  endSession(session: string, reason: EndReason): void {
    for (const worker of this.#workers) if (worker.endSession(session, reason)) return
  }

  #taking(): WorkerProcess[] {
    return [...this.#ready].filter(({ missed }) => missed < MISSED_IS_BUSY)
  }

  #pingAll(): void {
    const { log } = this.#options.parts
    for (const worker of this.#ready) {
      const facts = { worker: worker.id, pid: worker.pid }
      if (worker.missed === MISSED_IS_BUSY) log.warn(facts, 'a worker does not answer: it gets no connections')
      if (worker.missed >= MISSED_IS_HUNG) {
        log.error(facts, 'a worker hangs: it is killed')
        worker.kill()
      } else worker.ping()
    }
  }

  #killAll(): void {
    for (const worker of this.#workers) {
      this.#options.parts.log.error({ worker: worker.id }, 'a worker does not stop: it is killed')
      worker.kill()
    }
  }

  async #startOne(): Promise<void> {
    const { parts, ids, begin } = this.#options
    const id = `${parts.gateway}-${++this.#started}`
    ids.add(id)
    const worker = new WorkerProcess({
      ...this.#options,
      begin: { kind: 'begin', gateway: id, ...begin },
    })
    this.#workers.add(worker)
    void worker.exited.then(exit => this.#gone(worker, exit))
    const late = setTimeout(() => worker.kill(), START_MS)
    await worker.ready().finally(() => clearTimeout(late))
    // Before it has a session: others would take that for one that nobody looks after.
    await parts.beat().catch(error => {
      worker.kill()
      throw error
    })
    if (!this.#workers.has(worker)) throw new GatewayError('INTERNAL', 'A worker ended as soon as it was ready.')
    this.#ready.add(worker)
    parts.log.info({ worker: id, pid: worker.pid }, 'a worker is ready')
    const readyAt = performance.now()
    void worker.exited.then(() => this.#replace(performance.now() - readyAt))
  }

  #gone(worker: WorkerProcess, { told, how }: Exit): void {
    const { ids, parts } = this.#options
    this.#workers.delete(worker)
    ids.delete(worker.id)
    // Who never was ready has told it to who started it.
    if (!this.#ready.delete(worker)) return
    this.#counted = this.#counted.then(counted => sumOfCounters([counted, ...worker.lastReport.metrics]))
    if (told) return
    parts.log.error({ worker: worker.id, how }, 'a worker has died with its sessions')
    const cleanup = this.#cleanUpAfter(worker, how).finally(() => this.#pendingCleanups.delete(cleanup))
    this.#pendingCleanups.add(cleanup)
  }

  async #cleanUpAfter({ id }: WorkerProcess, how: string): Promise<void> {
    const { audit, log, reaper } = this.#options.parts
    await audit
      .append({ kind: 'worker.died', actor: 'gateway', data: { worker: id, how } })
      .catch(error => log.error({ err: error }, 'the end of a worker was not audited'))
    await reaper.round(id)
  }

  async #replace(livedMs: number): Promise<void> {
    const { log } = this.#options.parts
    const { signal } = this.#stopping
    if (livedMs > STEADY_MS) this.#pauseMs = 0
    while (!signal.aborted) {
      try {
        await pause(this.#pauseMs, undefined, { signal, ref: false })
        this.#pauseMs = Math.min(Math.max(SHORTEST_PAUSE_MS, this.#pauseMs * 2), LONGEST_PAUSE_MS)
        return await this.#startOne()
      } catch (error) {
        if (!signal.aborted) log.error({ err: error }, 'a worker cannot be started; trying again')
      }
    }
  }
}

async function sumOfCounters(processes: readonly ProcessMetrics[]): Promise<ProcessMetrics> {
  const counters = processes.map(metrics => metrics.filter(({ type }) => String(type) !== 'gauge'))
  return AggregatorRegistry.aggregate(counters).getMetricsAsJSON()
}
