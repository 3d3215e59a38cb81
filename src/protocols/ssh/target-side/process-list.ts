/** What `ps` at a host says of its processes, and which of them are left of sessions that are over. */

import {
  isWithin,
  type LeftBehind,
  MOST_LEFT,
  type PastSession,
  type Remains,
  SLACK_MS,
} from '../../../session/remains.ts'
import { printable } from '../../../shared/text/printable.ts'

/** POSIX but for `uid`; without arguments: they may hold secrets. */
export const LIST_PROCESSES =
  "exec sh -c 'LC_ALL=C; export LC_ALL; echo self $$ `id -u`; ps -A -o pid= -o ppid= -o uid= -o etime= -o comm= && echo all'"

interface Process {
  readonly pid: number
  readonly parent: number
  readonly user: number
  readonly ageMs: number
  readonly name: string
}

export interface ProcessList {
  /** The shell that asked. */
  readonly self: number
  readonly user: number
  readonly processes: ReadonlyMap<number, Process>
}

const LINE = /^\s*(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})\s+([\d:-]{1,20})\s+(\S.*)$/
const MOST_NAME = 40

/** Undefined where that is no whole list. */
export function readProcessList(text: string): ProcessList | undefined {
  const lines = text.split('\n').map(line => line.trimEnd())
  const from = lines.findIndex(line => /^self \d+ \d+$/.test(line))
  const to = lines.lastIndexOf('all')
  if (from === -1 || to < from) return undefined
  const [, self, user] = lines[from]!.split(' ').map(Number)
  const processes = new Map<number, Process>()
  for (const line of lines.slice(from + 1, to)) {
    const process = readProcess(line)
    if (process !== undefined) processes.set(process.pid, process)
  }
  // It lists itself, or it does not list everything.
  return processes.has(self!) ? { self: self!, user: user!, processes } : undefined
}

function readProcess(line: string): Process | undefined {
  const [, pid, parent, user, age, name] = LINE.exec(line) ?? []
  const ageMs = age === undefined ? undefined : elapsedMs(age)
  if (name === undefined || ageMs === undefined) return undefined
  return {
    ...{ pid: Number(pid), parent: Number(parent), user: Number(user), ageMs },
    name: printable(name).slice(0, MOST_NAME),
  }
}

/** `[[days-]hours:]minutes:seconds`. */
export function elapsedMs(text: string): number | undefined {
  const [, days = '0', hours = '0', minutes, seconds] = /^(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)$/.exec(text) ?? []
  if (minutes === undefined) return undefined
  return (((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000
}

/**
 * What of the login began while the session was open and runs still: in the background, or below a server's process for its connection. What
 * runs below the connections of others is theirs. `open`: how long their sessions are open.
 */
export function remainsOf(list: ProcessList, past: PastSession, openAgoMs: readonly number[]): Remains {
  const ours = ownProcesses(list)
  const connections = [...list.processes.values()].filter(one => isConnection(list, one) && !ours.has(one.pid))
  // A server's process for a connection is as old as that, and has something of its login below it.
  const asOld = connections.filter(one => Math.abs(one.ageMs - past.startedAgoMs) <= SLACK_MS && isOfLogin(list, one))
  const itsOwn = asOld.filter(({ ageMs }) => !openAgoMs.some(open => Math.abs(ageMs - open) <= SLACK_MS))
  const others = new Set(connections.filter(one => !itsOwn.includes(one)).map(({ pid }) => pid))
  const left: LeftBehind[] = []
  for (const one of list.processes.values()) {
    if (one.user !== list.user || ours.has(one.pid) || isOfTheServer(list, one) || !isWithin(one.ageMs, past)) continue
    if (ancestors(list, one).some(({ pid }) => others.has(pid))) continue
    if (left.length < MOST_LEFT) left.push({ id: `process ${one.pid}`, what: one.name, ageMs: one.ageMs })
  }
  const connection = itsOwn.length > 0 ? 'open' : asOld.length > 0 ? 'unknown' : 'gone'
  return { is: 'seen', connection, left }
}

function isServer({ name }: Process): boolean {
  return /^(?:\S*\/)?sshd(?:$|[-:\s])/.test(name)
}

/** The process of the server, as root, that has one connection: its parent is the server. A name alone could be anybody's. */
function isConnection(list: ProcessList, one: Process): boolean {
  const parent = list.processes.get(one.parent)
  return one.user === 0 && isServer(one) && parent !== undefined && parent.user === 0 && isServer(parent)
}

function isOfLogin({ processes, user }: ProcessList, connection: Process): boolean {
  return processes.values().some(one => one.parent === connection.pid && one.user === user)
}

/** That of a connection, and the one below it that runs as its user: whose parent it is, nobody else can be. */
function isOfTheServer(list: ProcessList, one: Process): boolean {
  const parent = list.processes.get(one.parent)
  return isConnection(list, one) || (isServer(one) && parent !== undefined && isConnection(list, parent))
}

/** Of the question itself: the shell, what it runs, and the connection that it came by. */
function ownProcesses(list: ProcessList): Set<number> {
  const self = list.processes.get(list.self)!
  const above = [self, ...ancestors(list, self)].filter(
    one => one === self || isServer(one) || one.ageMs <= self.ageMs + SLACK_MS,
  )
  // The server itself is nobody's.
  const ours = new Set(above.map(({ pid }) => pid))
  for (const one of list.processes.values())
    if (ancestors(list, one).some(({ pid }) => pid === list.self)) ours.add(one.pid)
  return ours
}

/** From its parent up. */
function ancestors({ processes }: ProcessList, of: Process): Process[] {
  const found: Process[] = []
  for (let at = processes.get(of.parent); at !== undefined && found.length < 100; at = processes.get(at.parent)) {
    if (found.includes(at)) break
    found.push(at)
  }
  return found
}
