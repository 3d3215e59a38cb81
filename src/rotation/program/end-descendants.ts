/**
 * Ends what a program has left running, also what left its process group (`setsid`, a double fork). It is known by a mark in the environment
 * that it was started with, by the streams of the program that it still has open, and by who started it. What has none of these is not found.
 */

import { readdir, readFile, readlink } from 'node:fs/promises'

/** What forks faster than it is found is stopped, not ended, in the first rounds: what is stopped forks no more. */
const MOST_ROUNDS = 50
/** Of all machines that Node runs on (USER_HZ). */
const TICKS_PER_SECOND = 100
const CLOCK_DIFFERS_S = 1
const STREAMS = ['0', '1', '2']

export interface Marks {
  /** `NAME=value`, as it stands in the environment. */
  readonly environment: string
  /** What the program's own streams are: `socket:[4711]`. */
  readonly streams: ReadonlySet<string>
  /** No earlier than this was any of it begun: what is older need not be looked at. */
  readonly since: number
}

interface Process {
  readonly pid: number
  readonly parent: number
  readonly session: number
  readonly isMarked: boolean
}

/** In the kernel's ticks since the machine was started, as it says of each process when it began. */
export async function ticksNow(): Promise<number> {
  const uptime = Number.parseFloat(await readFile('/proc/uptime', 'latin1').catch(() => '0'))
  return Math.floor((uptime - CLOCK_DIFFERS_S) * TICKS_PER_SECOND)
}

/** The streams of a program that was started just now. */
export async function streamsOf(pid: number): Promise<Set<string>> {
  const links = await Promise.all(STREAMS.map(stream => readlink(`/proc/${pid}/fd/${stream}`).catch(() => '')))
  return new Set(links.filter(link => /^(?:socket|pipe):\[\d+\]$/.test(link)))
}

/** Resolves when nothing is found any more, or after so many rounds. Never rejects. */
export async function endDescendants(marks: Marks): Promise<void> {
  const stopped = new Set<number>()
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const found = descendants(await processes(marks))
    const fresh = found.filter(pid => !stopped.has(pid))
    for (const pid of fresh) {
      signal(pid, 'SIGSTOP')
      stopped.add(pid)
    }
    if (fresh.length > 0) continue
    if (found.length === 0) return
    for (const pid of found) signal(pid, 'SIGKILL')
    stopped.clear()
  }
}

/** The marked ones, what they started, and what shares a session with one: the program has had one of its own from the beginning. */
function descendants(all: readonly Process[]): number[] {
  const found = new Set(all.filter(({ isMarked }) => isMarked))
  for (let before = -1; before < found.size; ) {
    before = found.size
    const pids = new Set([...found].map(({ pid }) => pid))
    const sessions = new Set([...found].map(({ session }) => session))
    for (const each of all) if (pids.has(each.parent) || sessions.has(each.session)) found.add(each)
  }
  return [...found].map(({ pid }) => pid)
}

async function processes(marks: Marks): Promise<Process[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter(name => /^\d+$/.test(name)).map(Number)
  const all = await Promise.all(pids.filter(pid => pid !== process.pid).map(pid => look(pid, marks)))
  return all.filter(one => one !== undefined)
}

/** In what /proc/PID/stat has behind the name (proc_pid_stat(5), field 22). */
const BEGAN = 19

/** Undefined where it is over, or cannot be one. */
async function look(pid: number, { environment, streams, since }: Marks): Promise<Process | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '')
  // Its name is in parentheses, and may hold some.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state = 'X', parent, , session] = fields
  if ('ZX'.includes(state) || Number(fields[BEGAN]) < since) return undefined
  const own = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')
  const isMarked = own.split('\0').includes(environment) || (await hasStream(pid, streams))
  return { pid, parent: Number(parent), session: Number(session), isMarked }
}

async function hasStream(pid: number, streams: ReadonlySet<string>): Promise<boolean> {
  for (const stream of STREAMS) {
    if (streams.has(await readlink(`/proc/${pid}/fd/${stream}`).catch(() => ''))) return true
  }
  return false
}

function signal(pid: number, name: 'SIGSTOP' | 'SIGKILL'): void {
  try {
    process.kill(pid, name)
  } catch {
    // It is over, or belongs to somebody else.
  }
}
