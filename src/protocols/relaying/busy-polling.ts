/**
 * Keeps the event loop polling for a moment after a message, while one session alone asks and is answered in quick turns: to sleep
 * and be woken takes longer than such an answer. For how long follows the rules by which Linux lets the processor of a guest poll
 * before it halts (cpuidle-haltpoll); and it is done only where a core has nothing better to do.
 */

import { availableParallelism, cpus } from 'node:os'
import { hasCpuLimit, runningThreads } from './machine-load.ts'

/** The longest wait that is polled through, and the first one, in milliseconds: those of Linux. */
const MOST_MS = 0.2
const FIRST_MS = 0.05
/** So many turns of the same session must have come one after the other. */
const TURNS = 16
/** How often the machine is asked whether a core is idle, while we poll. */
const ASK_MS = 20
/** What a single answer weighs in the average: a quick turn looks like a crowd now and then. */
const WEIGHT = 1 / 16
/** How long the event loop sleeps as it always does, once the machine was found busy. */
const REST_MS = 250

/** What the event loop runs on. */
export interface Machine {
  readonly cores: number
  /** Threads, of all processes, that run or want to, the caller's among them; undefined where that is not known. */
  running(): number | undefined
  /** In milliseconds, from any beginning. */
  now(): number
  /** Calls back once the event loop has looked for events without waiting. */
  turn(callback: () => void): void
}

export class BusyPolling {
  readonly #machine: Machine
  #conversation: object | undefined
  #fromClient = false
  #turns = 0
  #last = 0
  #window = 0
  #polling = false
  #running: number
  #asked = 0
  #restUntil = 0

  constructor(machine: Machine) {
    this.#machine = machine
    this.#running = machine.cores
  }

  /** To be told of each message of each session. `conversation` stands for the session, and is kept: it should hold nothing. */
  passed(conversation: object, fromClient: boolean): void {
    if (conversation !== this.#conversation) {
      // With several sessions there is mostly something to do, and what counts is the work that is saved.
      this.#conversation = conversation
      this.#turns = 0
      this.#window = 0
    } else if (fromClient === this.#fromClient) return
    this.#fromClient = fromClient
    const now = this.#machine.now()
    const waited = now - this.#last
    this.#last = now
    if (++this.#turns < TURNS) return
    if (waited > MOST_MS) this.#window /= 2
    else if (waited > this.#window) this.#window = Math.min(Math.max(this.#window * 2, FIRST_MS), MOST_MS)
    if (this.#polling || this.#window < FIRST_MS || now < this.#restUntil) return
    this.#polling = true
    this.#machine.turn(this.#poll)
  }

  readonly #poll = (): void => {
    const now = this.#machine.now()
    if (now - this.#asked >= ASK_MS) this.#askForCore(now)
    if (now - this.#last < this.#window && now >= this.#restUntil) this.#machine.turn(this.#poll)
    else this.#polling = false
  }

  #askForCore(now: number): void {
    const { cores } = this.#machine
    const running = this.#machine.running() ?? Number.POSITIVE_INFINITY
    this.#asked = now
    this.#running += (Math.min(running, 2 * cores) - this.#running) * WEIGHT
    if (this.#running <= cores) return
    this.#restUntil = now + REST_MS
    this.#running = cores
  }
}

/** The machine that this process runs on; undefined where polling cannot be had for nothing, or nobody could know. */
export function machineToPoll(): Machine | undefined {
  const cores = cpus().length
  // A share of the machine (taskset, a CPU limit) is better spent on work; of a single core, the target's is the better half.
  if (cores < 2 || availableParallelism() < cores || hasCpuLimit() || runningThreads() === undefined) return undefined
  return { cores, running: runningThreads, now: () => performance.now(), turn: setImmediate }
}
