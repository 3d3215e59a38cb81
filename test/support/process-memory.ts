/** What stands in the memory of running processes, as somebody with a debugger would see it. */

import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'

const CHUNK_BYTES = 16 * 1024 * 1024

/** A process and all that it started, by id. */
export function processesUnder(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap(task =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
  )
  return [pid, ...children.flatMap(processesUnder)]
}

/** How often each of these stands in the writable memory of the process. */
export function countInMemory(pid: number, needles: Readonly<Record<string, Buffer>>): Record<string, number> {
  const counts = Object.fromEntries(Object.keys(needles).map(name => [name, 0]))
  const longest = Math.max(...Object.values(needles).map(needle => needle.length))
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  try {
    for (const [from, to] of writableRegions(pid)) {
      // Chunks overlap by less than a needle, so that none is missed or counted twice at a border of its own length.
      for (let at = from; at < to; at += CHUNK_BYTES) {
        const bytes = Buffer.alloc(Math.min(CHUNK_BYTES + longest - 1, to - at))
        const read = readQuietly(memory, bytes, at)
        for (const [name, needle] of Object.entries(needles)) {
          counts[name]! += occurrences(bytes.subarray(0, read), needle, CHUNK_BYTES)
        }
      }
    }
  } finally {
    closeSync(memory)
  }
  return counts
}

function writableRegions(pid: number): [number, number][] {
  return readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .map(line => /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line))
    .filter(match => match !== null)
    .map(match => [Number.parseInt(match[1]!, 16), Number.parseInt(match[2]!, 16)])
}

/** Some regions are mapped and cannot be read, or are gone by now. */
function readQuietly(memory: number, bytes: Buffer, position: number): number {
  try {
    return readSync(memory, bytes, 0, bytes.length, position)
  } catch {
    return 0
  }
}

/** Those that begin before `end`. */
function occurrences(bytes: Buffer, needle: Buffer, end: number): number {
  let count = 0
  for (let at = bytes.indexOf(needle); at >= 0 && at < end; at = bytes.indexOf(needle, at + 1)) count++
  return count
}
