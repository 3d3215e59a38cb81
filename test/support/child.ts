/** Child processes of tests: started with their output in a log file, and ended even when the test itself is killed. */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createWriteStream, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { promisify } from 'node:util'

export const run = promisify(execFile)

/** What a test waits for comes within seconds, or, for a defect, never: then the test says so, and what came in its place. */
export const LONGEST_WAIT_MS = 180_000

export interface Child {
  readonly pid: number
  /** Resolves when the process has ended, with its exit code or the name of the signal. */
  readonly ended: Promise<number | string>
  /** Resolves at the first line of output that matches; rejects with the output when the process ends before. */
  printed(pattern: RegExp): Promise<void>
  /** What it has printed up to now. */
  output(): string
  /** Sends the signal and waits for the end; SIGKILL follows when a minute was not enough. */
  end(signal: NodeJS.Signals): Promise<void>
}

export interface ChildOptions {
  readonly logFile: string
  /** A folder to remove if this process dies without stopping the child. */
  readonly folder: string
  readonly uid?: number
  readonly gid?: number
  readonly env?: NodeJS.ProcessEnv
}

export function startChild(command: string, args: string[], options: ChildOptions): Child {
  const { logFile, folder, ...spawnOptions } = options
  const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], ...spawnOptions })
  const log = createWriteStream(logFile, { flags: 'a' })
  // The folder may be gone before the last line is.
  log.on('error', () => undefined)
  let text = ''
  const waiting = new Set<() => void>()
  let over = false
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', (bytes: Buffer) => {
      log.write(bytes)
      text += bytes.toString('utf8')
      for (const check of waiting) check()
    })
  }
  const ended = new Promise<number | string>(resolve => {
    child.once('error', error => resolve(error.message))
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'))
  }).then(result => {
    over = true
    log.end()
    for (const check of waiting) check()
    return result
  })
  const guard = child.pid === undefined ? undefined : startGuard(child.pid, folder)
  void ended.then(() => guard?.kill('SIGKILL'))
  return {
    pid: child.pid ?? 0,
    ended,
    output: () => text,
    printed(pattern) {
      const from = text.length
      return new Promise((resolve, reject) => {
        const check = () => {
          const matched = pattern.test(text.slice(from))
          if (!matched && !over) return
          waiting.delete(check)
          if (matched) resolve()
          else reject(new Error(`${command} ended before it printed ${pattern}:\n${text.slice(-4000)}`))
        }
        waiting.add(check)
        check()
      })
    },
    async end(signal) {
      if (over) return
      child.kill(signal)
      const timer = setTimeout(() => child.kill('SIGKILL'), 60_000)
      await ended
      clearTimeout(timer)
    },
  }
}

/** A shell that waits for the end of this process (its stdin closes), then ends the child and removes its folder. */
function startGuard(pid: number, folder: string): ChildProcess {
  const script = `read _; kill -QUIT ${pid} && sleep 1; kill -KILL ${pid}; rm -rf "$1"`
  const guard = spawn('/bin/sh', ['-c', script, 'guard', folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    detached: true,
  })
  guard.unref()
  ;(guard.stdin as unknown as { unref(): void }).unref()
  guard.stdin!.on('error', () => undefined)
  return guard
}

/** A loopback port that was free a moment ago: whoever uses it must be ready to try again with another. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

/** Calls `start` with one free port after another until one was not taken by somebody else meanwhile. */
export async function onFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await start(await freePort())
    } catch (error) {
      if (tries === 5 || !/address already in use/i.test(String(error))) throw error
    }
  }
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}

/** Resolves once something listens on the loopback port; rejects with what the child printed when it ends before. */
export async function listening(port: number, child: Child): Promise<void> {
  let over = false
  void child.ended.then(() => {
    over = true
  })
  while (!over) {
    const open = await new Promise<boolean>(resolve => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (open) return
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  throw new Error(`a program did not start: ${child.output()}`)
}
