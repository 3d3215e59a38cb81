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

const COLUMNS = (users: string) => `-o pid= -o ppid= ${users} -o etime= -o comm=`

/**
 * POSIX but for `uid` and `ruid` (the user who began it, where that can be told); without arguments: they may hold secrets. The system's own
 * programs come before what the login may have put in their place. On Linux `login PID` before the list: by `loginuid` (proc(5)) that
 * is of a login as this user, whoever it has become since by `su` or `sudo`.
 */
export const LIST_PROCESSES = `exec /bin/sh -c '${[
  'LC_ALL=C; PATH=/usr/bin:/bin:$PATH; export LC_ALL PATH; me=`id -u`; echo self $$ $me',
  'cd /proc 2>/dev/null && for p in [0-9]*; do u=; { read -r u < $p/loginuid; } 2>/dev/null; [ "$u" = "$me" ] && echo login $p; done',
  `{ ps -A ${COLUMNS('-o uid= -o ruid=')} 2>/dev/null || ps -A ${COLUMNS('-o uid=')}; } && echo all`,
].join('; ')}'`

interface Process {
  readonly pid: number
  readonly parent: number
  readonly user: number
  /** Who began it; `user` where the host does not tell. */
  readonly realUser: number
  readonly ageMs: number
  readonly name: string
}

export interface ProcessList {
  /** The shell that asked. */
  readonly self: number
  readonly user: number
  /** Those that are of a login as that user, by what the host's kernel says. */
  readonly loggedIn: ReadonlySet<number>
  readonly processes: ReadonlyMap<number, Process>
}

/** A process may have no name, or one of blanks alone. */
const LINE = /^\s*(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})\s+(?:(\d{1,10})\s+)?([\d-]{1,14}:[\d:]{1,8})(?:\s(.*))?$/
const MOST_NAME = 40
/** More are not looked through: a host can claim any number of them. */
const MOST_PROCESSES = 50_000

/** Undefined where that is no whole list: what of it cannot be read might be what is looked for. */
export function readProcessList(text: string): ProcessList | undefined {
  const lines = text.split('\n').map(line => line.trimEnd())
  const from = lines.findIndex(line => /^self \d+ \d+$/.test(line))
  const to = lines.lastIndexOf('all')
  if (from === -1 || to < from || to - from > MOST_PROCESSES) return undefined
  const [, self, user] = lines[from]!.split(' ').map(Number)
  const loggedIn = new Set<number>()
  const processes = new Map<number, Process>()
  for (const line of lines.slice(from + 1, to)) {
    const [, login] = /^login (\d{1,10})$/.exec(line) ?? []
    if (login !== undefined) {
      loggedIn.add(Number(login))
      continue
    }
    const process = readProcess(line)
    if (process === undefined) return undefined
    processes.set(process.pid, process)
  }
  // It lists itself, or it does not list everything.
  return processes.has(self!) ? { self: self!, user: user!, loggedIn, processes } : undefined
}

function readProcess(line: string): Process | undefined {
  const [, pid, parent, user, realUser = user, age, name = ''] = LINE.exec(line) ?? []
  const ageMs = age === undefined ? undefined : elapsedMs(age)
  if (ageMs === undefined) return undefined
  return {
    ...{ pid: Number(pid), parent: Number(parent), user: Number(user), realUser: Number(realUser), ageMs },
    name: printable(name.trim()).slice(0, MOST_NAME) || 'without a name',
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
 * runs below the connections of others is theirs. `openAgoMs`: how long their sessions are open.
 */
export function remainsIn(list: ProcessList): (past: PastSession, openAgoMs: readonly number[]) => Remains {
  const { own, seesConnections } = ownProcesses(list)
  const connections = [...list.processes.values()].filter(one => isConnection(list, one) && !own.has(one.pid))
  const below = Map.groupBy(list.processes.values(), ({ parent }) => parent)
  const ofLogin = connections.filter(({ pid }) => isOfLogin(list, below.get(pid) ?? []))
  const ours = [...list.processes.values()].filter(
    one => isOf(list, one) && !own.has(one.pid) && !isOfTheServer(list, one) && !isOfTheKernel(list, one),
  )
  const connectionAbove = nearestAbove(list, new Set(connections.map(({ pid }) => pid)))

  return (past, openAgoMs) => {
    // A server's process for a connection is as old as that, and has something of its login below it.
    const asOld = ofLogin.filter(one => Math.abs(one.ageMs - past.startedAgoMs) <= SLACK_MS)
    const itsOwn = asOld.filter(({ ageMs }) => !openAgoMs.some(open => Math.abs(ageMs - open) <= SLACK_MS))
    const isTheirs = (one: Process) => {
      const above = connectionAbove(one)
      return above !== undefined && !itsOwn.some(({ pid }) => pid === above)
    }
    const left = ours.filter(one => isWithin(one.ageMs, past) && !isTheirs(one)).slice(0, MOST_LEFT)
    return {
      is: 'seen',
      connection: itsOwn.length > 0 ? 'open' : asOld.length > 0 || !seesConnections ? 'unknown' : 'gone',
      left: left.map(({ pid, name, ageMs }): LeftBehind => ({ id: `process ${pid}`, what: name, ageMs })),
    }
  }
}

/** Also what has become somebody else by `su` or `sudo`. As root, everything of the system would be: there the user alone counts. */
function isOf({ user, loggedIn }: ProcessList, one: Process): boolean {
  return one.user === user || (user !== 0 && (one.realUser === user || loggedIn.has(one.pid)))
}

function isServer({ name }: Process): boolean {
  return /^(?:\S*\/)?sshd(?:$|[-:\s])/.test(name)
}

/** The process of the server, as root, that has one connection: its parent is the server. A name alone could be anybody's. */
function isConnection(list: ProcessList, one: Process): boolean {
  const parent = list.processes.get(one.parent)
  return one.user === 0 && isServer(one) && parent !== undefined && parent.user === 0 && isServer(parent)
}

/** The session's own user is the only one of whom something is below it; below that of root there may be nothing, where it forwards. */
function isOfLogin({ user }: ProcessList, below: readonly Process[]): boolean {
  return below.some(one => one.user === user) || (user === 0 && below.length === 0)
}

/** That of a connection, and the one below it that runs as its user: whose parent it is, nobody else can be. */
function isOfTheServer(list: ProcessList, one: Process): boolean {
  const parent = list.processes.get(one.parent)
  return isConnection(list, one) || (isServer(one) && parent !== undefined && isConnection(list, parent))
}

/** Linux has its own threads in the list, as root's: they come and go, and are nobody's. */
function isOfTheKernel({ processes }: ProcessList, { pid, parent }: Process): boolean {
  const threads = processes.get(2)
  const known = threads?.name === 'kthreadd' && threads.parent === 0 && threads.user === 0
  return known && (pid === 2 || parent === 2)
}

/** Of the question itself: the shell, what it runs, and the connection that it came by; where that is not seen, no other is either. */
function ownProcesses(list: ProcessList) {
  const self = list.processes.get(list.self)!
  const above = [self, ...ancestors(list, self)].filter(
    one => one === self || isServer(one) || one.ageMs <= self.ageMs + SLACK_MS,
  )
  // The server itself is nobody's.
  const own = new Set(above.map(({ pid }) => pid))
  for (const one of list.processes.values()) if (one.parent === list.self) own.add(one.pid)
  return { own, seesConnections: above.some(one => isConnection(list, one)) }
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

/** Gives the nearest of these above a process. Each is looked up once, however deep a host says that it is. */
function nearestAbove({ processes }: ProcessList, wanted: ReadonlySet<number>): (one: Process) => number | undefined {
  const known = new Map<number, number | undefined>()
  return one => {
    const passed: number[] = []
    let at = one.parent
    while (!known.has(at) && !wanted.has(at) && processes.has(at)) {
      known.set(at, undefined)
      passed.push(at)
      at = processes.get(at)!.parent
    }
    const found = wanted.has(at) ? at : known.get(at)
    for (const pid of passed) known.set(pid, found)
    return found
  }
}
