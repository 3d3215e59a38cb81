/** How things are measured: medians of interleaved runs, and what /proc says of a process. */

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
const PAGE_BYTES = Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' }))

/** A process and those that it started, and so on (proc(5): children, of each of its threads). */
export function processesOf(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap(thread =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  )
  return [pid, ...children.flatMap(processesOf)]
}

/** CPU seconds, user and system, of a process and those that it started. */
export function cpuSeconds(pid: number): number {
  return sum(processesOf(pid).map(cpuSecondsOfOne))
}

/** Memory in RAM, in bytes, of a process and those that it started. What they share counts for each. */
export function residentBytes(pid: number): number {
  return sum(processesOf(pid).map(residentBytesOfOne))
}

/** Of all threads since it started (proc(5): fields 14 and 15 of stat). */
function cpuSecondsOfOne(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is the program's name in parentheses and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

function residentBytesOfOne(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0)
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** What so great a part of the values (0 to 1) does not exceed. */
export function quantile(times: readonly number[], part: number): number {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!
}

/**
 * Runs every lane once a round, each round beginning with the next one: what else the machine does then hits all lanes alike.
 * Gives all results of each lane.
 */
export async function interleave<Lane extends string, Result>(
  rounds: number,
  lanes: readonly Lane[],
  run: (lane: Lane, round: number) => Promise<Result>,
): Promise<Record<Lane, Result[]>> {
  const results = Object.fromEntries(lanes.map(lane => [lane, []])) as unknown as Record<Lane, Result[]>
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < lanes.length; turn++) {
      const lane = lanes[(round + turn) % lanes.length]!
      results[lane].push(await run(lane, round))
    }
  }
  return results
}

export async function seconds(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await run()
  return (performance.now() - start) / 1000
}
