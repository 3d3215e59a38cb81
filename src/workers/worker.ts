/** A worker as its gateway knows it: starts the process, hands connections to it, and hears what it says. */

import { fork } from 'node:child_process'
import type { Cluster } from '../cluster/cluster.ts'
import { type ClusterHost, createClusterHost } from '../cluster/host.ts'
import type { Config } from '../config/config.ts'
import type { ProtocolName } from '../policy/role.ts'
import type { Visitor } from '../session/door.ts'
import type { Place } from '../shared/connection-limits.ts'
import { GatewayError, messageOf } from '../shared/errors.ts'
import type { Report } from '../shared/metrics.ts'
import type { KeyEncryptionKey } from '../vault/key-encryption-key.ts'
import type { FromWorker, ToWorker } from './messages.ts'

export interface WorkerOptions {
  /** The worker's id (`gw_…-1`). */
  readonly id: string
  readonly config: Config
  readonly vaultKey: KeyEncryptionKey
  readonly cluster: Cluster
  /** The worker has appended to the audit log, up to this event. */
  readonly audited: (seq: number) => void
}

/** A worker that is slower says what it said last. */
const REPORT_TIMEOUT_MS = 1000

export class Worker {
  readonly id: string
  /** How the process ended, in words; it ended by itself unless `drain` or `kill` was called. */
  readonly exited: Promise<string>
  readonly #process
  readonly #places = new Map<number, Place>()
  readonly #reports = new Map<number, (report: Report) => void>()
  readonly #host: ClusterHost
  readonly #audited: WorkerOptions['audited']
  readonly #started = Promise.withResolvers<void>()
  #visitors = 0
  #asked = 0
  #lastReport: Report = { sessions: 0, metrics: [] }

  constructor({ id, config, vaultKey, cluster, audited }: WorkerOptions) {
    this.id = id
    this.#audited = audited
    this.#host = createClusterHost(cluster, answer => this.#send(answer))
    this.#process = fork(new URL('./main.ts', import.meta.url), {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#process.on('message', (message: FromWorker) => this.#hear(message))
    const exited = Promise.withResolvers<string>()
    this.exited = exited.promise
    this.#process.on('error', error => {
      if (this.#process.pid === undefined) exited.resolve(messageOf(error))
    })
    this.#process.once('exit', (code, signal) => exited.resolve(signal ?? `exit code ${code}`))
    void this.exited.then(how => this.#gone(how))
    const key = vaultKey.keyObject.export()
    this.#send({ kind: 'begin', gateway: id, config, vaultKey: key })
    key.fill(0)
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** How many connections it has. */
  get load(): number {
    return this.#places.size
  }

  /** What it reported last. */
  get lastReport(): Report {
    return this.#lastReport
  }

  /** Resolves when it takes connections. Throws what keeps it from starting. */
  ready(): Promise<void> {
    return this.#started.promise
  }

  take(protocol: ProtocolName, { socket, source, place }: Visitor): void {
    const number = typeof place === 'string' ? place : ++this.#visitors
    if (typeof place !== 'string') this.#places.set(this.#visitors, place)
    this.#process.send({ kind: 'visitor', protocol, source, place: number } satisfies ToWorker, socket, error => {
      if (error === null) return
      socket.destroy()
      if (typeof number === 'number') this.#leave(number)
    })
  }

  async report(): Promise<Report> {
    const id = ++this.#asked
    const answer = Promise.withResolvers<Report>()
    const timer = setTimeout(() => answer.resolve(this.#lastReport), REPORT_TIMEOUT_MS)
    this.#reports.set(id, answer.resolve)
    this.#send({ kind: 'report', id })
    try {
      return await answer.promise
    } finally {
      clearTimeout(timer)
      this.#reports.delete(id)
    }
  }

  /** No new sessions; the open ones are warned, and ended after `drainMs`. Then it exits. */
  drain(drainMs: number): void {
    this.#send({ kind: 'drain', drainMs })
  }

  hurry(): void {
    this.#send({ kind: 'hurry' })
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }

  #send(message: ToWorker): void {
    // What cannot be sent was for a worker that is gone: its exit tells.
    if (this.#process.connected) this.#process.send(message, () => undefined)
  }

  #hear(message: FromWorker): void {
    switch (message.kind) {
      case 'ready':
        this.#started.resolve()
        break
      case 'failed':
        this.#started.reject(new GatewayError(message.code, message.message))
        break
      case 'authenticated':
        this.#places.get(message.place)?.authenticated()
        break
      case 'left':
        this.#leave(message.place)
        break
      case 'audited':
        this.#audited(message.seq)
        break
      case 'reported':
        this.#lastReport = message.report
        this.#reports.get(message.id)?.(message.report)
        break
      case 'cluster':
        this.#host.hear(message)
    }
  }

  #leave(number: number): void {
    this.#places.get(number)?.leave()
    this.#places.delete(number)
  }

  #gone(how: string): void {
    this.#started.reject(new GatewayError('INTERNAL', `A worker ended before it was ready: ${how}.`))
    this.#host.close()
    for (const number of [...this.#places.keys()]) this.#leave(number)
    for (const answer of this.#reports.values()) answer(this.#lastReport)
  }
}
