/**
 * The workers of a gateway: one process for each core, so that sessions need not share one.
 * Each connection is handed to the one that has the fewest.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { AggregatorRegistry } from 'prom-client'
import type { Config } from '../config/config.ts'
import { CLOSE_MS, type GatewayParts } from '../gateway-parts.ts'
import type { Reception } from '../reception.ts'
import type { ProcessMetrics } from '../shared/metrics.ts'
import type { KeyEncryptionKey } from '../vault/key-encryption-key.ts'
import { Worker } from './worker.ts'

export interface CrewOptions {
  readonly parts: GatewayParts
  readonly config: Config
  readonly vaultKey: KeyEncryptionKey
  readonly size: number
  /** The ids of those that are alive are kept in here. */
  readonly ids: Set<string>
}

/** After this time a worker counts as one that works: when it dies, the next one is started at once. */
const STEADY_MS = 60_000
/** Others are started after ever longer pauses. */
const SHORTEST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000

/** Resolves when all are ready; throws what keeps one from starting. They are ended with `started`, if `drain` did not. */
export async function createCrew(options: CrewOptions, started: AsyncDisposableStack): Promise<Reception> {
  const crew = new Crew(options)
  started.defer(() => crew.drain(0, AbortSignal.abort()))
  await crew.start()
  return crew
}

class Crew implements Reception {
  readonly #options: CrewOptions
  /** All that run, and those of them that take connections. */
  readonly #workers = new Set<Worker>()
  readonly #ready = new Set<Worker>()
  readonly #stopping = new AbortController()
  #started = 0
  #pauseMs = 0
  /** What those counted that are no more: a counter never falls. */
  #counted: ProcessMetrics = []

  constructor(options: CrewOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.size }, () => this.#startOne()))
  }

  readonly enter: Reception['enter'] = (protocol, visitor) => {
    const [least] = [...this.#ready].sort((a, b) => a.load - b.load)
    if (least !== undefined) return least.take(protocol, visitor)
    const { log } = this.#options.parts
    log.warn({ source: visitor.source.address, protocol }, 'no worker is ready: a connection is cut')
    visitor.socket.destroy()
    if (typeof visitor.place !== 'string') visitor.place.leave()
  }

  readonly report: Reception['report'] = async () => {
    const own = await this.#options.parts.metrics.registry.getMetricsAsJSON()
    const reports = await Promise.all(Array.from(this.#ready, worker => worker.report()))
    return {
      sessions: reports.reduce((sum, { sessions }) => sum + sessions, 0),
      metrics: [own, this.#counted, ...reports.flatMap(({ metrics }) => metrics)],
    }
  }

  readonly drain: Reception['drain'] = async (drainMs, hurry) => {
    this.#stopping.abort()
    const workers = [...this.#workers]
    const hurryAll = () => {
      for (const worker of workers) worker.hurry()
    }
    for (const worker of workers) worker.drain(drainMs)
    if (hurry.aborted) hurryAll()
    else hurry.addEventListener('abort', hurryAll, { once: true })
    // The sessions' time, that of their books, and that of everything after them.
    const deadline = setTimeout(() => this.#killAll(), drainMs + 2.5 * CLOSE_MS)
    await Promise.all(workers.map(worker => worker.exited))
    clearTimeout(deadline)
  }

  #killAll(): void {
    for (const worker of this.#workers) {
      this.#options.parts.log.error({ worker: worker.id }, 'a worker does not stop: it is killed')
      worker.kill()
    }
  }

  async #startOne(): Promise<void> {
    const { parts, config, vaultKey, ids } = this.#options
    const { gateway, cluster, feed, log } = parts
    const id = `${gateway}-${++this.#started}`
    const worker = new Worker({ id, config, vaultKey, cluster, audited: seq => feed.stored(seq) })
    this.#workers.add(worker)
    ids.add(id)
    const gone = worker.exited.then(how => this.#gone(worker, how))
    await worker.ready()
    this.#ready.add(worker)
    log.info({ worker: id, pid: worker.pid }, 'a worker is ready')
    const readyAt = performance.now()
    void gone.then(() => this.#replace(performance.now() - readyAt))
  }

  async #gone(worker: Worker, how: string): Promise<void> {
    const { ids, parts } = this.#options
    this.#workers.delete(worker)
    ids.delete(worker.id)
    this.#counted = await countersOf([this.#counted, ...worker.lastReport.metrics])
    // Who never was ready has told it to who started it.
    if (!this.#ready.delete(worker) || this.#stopping.signal.aborted) return
    parts.log.error({ worker: worker.id, how }, 'a worker has died with its sessions; another one takes its place')
    await parts.audit
      .append({ kind: 'worker.died', actor: 'gateway', data: { worker: worker.id, how } })
      .catch(error => parts.log.error({ err: error }, 'the end of a worker was not audited'))
    await parts.reaper.round()
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

/** The sums of what only grows. */
async function countersOf(all: readonly ProcessMetrics[]): Promise<ProcessMetrics> {
  const growing = all.map(metrics => metrics.filter(({ type }) => String(type) !== 'gauge'))
  return AggregatorRegistry.aggregate(growing).getMetricsAsJSON()
}
