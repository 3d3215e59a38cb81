/** What a gateway and one of its workers talk through: a process of its own, or, for tests alone, this very process. */

import type { ForkOptions } from 'node:child_process'
import type { Socket } from 'node:net'
import { deserialize, serialize } from 'node:v8'
import type { Clock } from '../../shared/clock.ts'
import { messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { forkWatched } from './fork-watched.ts'
import type { ToWorker } from './messages.ts'
import { serve } from './serve.ts'
import type { WorkerParts } from './worker-parts.ts'
import type { WorkersUser } from './workers-user.ts'

export interface WorkerChannel {
  /** `sent` is told when it has left, with the error where it could not. */
  send(message: ToWorker, socket?: Socket, sent?: (error: Error | null) => void): void
  /** What the worker says, as it came: nobody has looked at it yet. */
  onMessage(listener: (message: unknown) => void): void
  /** It has sent what no worker of ours sends, or reads nothing of what it is sent. Nothing is read of it any more. */
  readonly broken: Promise<string>
  /** How it ended: `exit code 0`, `SIGKILL`. */
  readonly exited: Promise<string>
  readonly pid: number | undefined
  /** Whether a connection that was sent is still open on this side, too. */
  readonly copiesSockets: boolean
  kill(): void
}

export type OpenChannel = () => WorkerChannel

/** So many messages may be on their way to a worker. */
const MOST_UNREAD = 50_000

export function forkWorker(
  user: WorkersUser | undefined,
  program = new URL('./main.ts', import.meta.url),
): WorkerChannel {
  const broken = Promise.withResolvers<string>()
  const options: ForkOptions = {
    serialization: 'advanced',
    // Whoever may send a signal must not get a debugger, and with it what is lent.
    execArgv: [...process.execArgv.filter(isNoPreload), '--disable-sigusr1'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: environmentOf(process.env),
    ...user,
  }
  const worker = forkWatched(program, options, broken.resolve)
  let unread = 0
  const exited = Promise.withResolvers<string>()
  worker.on('error', error => {
    if (worker.pid === undefined) exited.resolve(messageOf(error))
  })
  worker.once('exit', (code, signal) => exited.resolve(signal ?? `exit code ${code}`))
  return {
    send(message, socket, told = () => undefined) {
      // What cannot be sent was for a worker that is gone: its exit tells.
      if (!worker.connected) return told(new Error('the worker is gone'))
      if (++unread > MOST_UNREAD) broken.resolve('nothing is read of what it is sent')
      const sent = (error: Error | null) => {
        unread--
        told(error)
      }
      // A connection stays open here until the worker has it.
      if (socket === undefined) worker.send(message, sent)
      else worker.send(message, socket, { keepOpen: true }, sent)
    },
    onMessage: listener => void worker.on('message', listener),
    broken: broken.promise,
    copiesSockets: true,
    exited: exited.promise,
    get pid() {
      return worker.pid
    },
    kill: () => void worker.kill('SIGKILL'),
  }
}

/** What whoever started the gateway has loaded into it is not loaded into what reads the bytes of strangers. */
function isNoPreload(flag: string): boolean {
  return !flag.startsWith('--import=')
}

/**
 * What a runtime needs. The gateway's own may hold the vault's key, or the password of the store. In a compile cache Node keeps a folder for
 * each user, so that of workers with one of their own is not the gateway's.
 */
const KEPT =
  /^(?:PATH|HOME|TZ|LANG|LC_[A-Z]+|TERM|NO_COLOR|FORCE_COLOR|NODE_(?:OPTIONS|COMPILE_CACHE|EXTRA_CA_CERTS)|SSL_CERT_(?:FILE|DIR))$/

function environmentOf(all: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(all).filter(([name]) => KEPT.test(name)))
}

export interface InThisProcess {
  readonly clock: Clock
  readonly log: Log
  /** A worker serves from now on. */
  serving(parts: WorkerParts): void
}

/**
 * For tests: a worker's code in the process of its gateway, so that it has the clock and the log of the test. What passes between them is
 * cloned as between processes. No configuration comes here.
 */
export function workerInThisProcess({ clock, log, serving }: InThisProcess): WorkerChannel {
  const exited = Promise.withResolvers<string>()
  const listeners: ((message: unknown) => void)[] = []
  let over = false
  const clone = <T>(message: T): T => deserialize(serialize(message))
  const receive = serve({
    send(message) {
      const copy = clone(message)
      setImmediate(() => {
        if (!over) for (const listener of listeners) listener(copy)
      })
    },
    clock,
    logFor: async () => log,
    exit(code) {
      // What was sent has to arrive first.
      setImmediate(() => {
        over = true
        exited.resolve(`exit code ${code}`)
      })
    },
    serving,
  })
  return {
    send(message, socket, sent) {
      const copy = clone(message)
      setImmediate(() => {
        receive(copy, socket)
        sent?.(null)
      })
    },
    onMessage: listener => void listeners.push(listener),
    broken: new Promise(() => undefined),
    exited: exited.promise,
    pid: undefined,
    copiesSockets: false,
    kill() {
      over = true
      exited.resolve('SIGKILL')
    },
  }
}
