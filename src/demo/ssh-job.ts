/** One command of the demo's SSH target: a process, on a terminal or on pipes, joined to an SSH channel. */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { ServerChannel } from 'ssh2'

export interface Job {
  /** Resolves when the process is gone and the channel was told. */
  readonly ended: Promise<void>
  resize(columns: number, rows: number): void
  /** `name` as in RFC 4254 §6.9, without `SIG`. */
  signal(name: string): void
  /** Ends it as a closed terminal would. */
  hangUp(): void
}

export interface JobOptions {
  readonly environment: Record<string, string>
  readonly folder: string
  readonly terminal: { readonly cols: number; readonly rows: number } | undefined
}

const PYTHON = '/usr/bin/python3'
const TERMINAL = fileURLToPath(new URL('./terminal.py', import.meta.url))
const SFTP_SERVERS = ['/usr/lib/openssh/sftp-server', '/usr/lib/ssh/sftp-server', '/usr/libexec/openssh/sftp-server']
const SIGNALS = new Set(['ABRT', 'ALRM', 'HUP', 'INT', 'KILL', 'PIPE', 'QUIT', 'TERM', 'USR1', 'USR2'])
const CONTROL = 3

export const canHaveTerminal = (): boolean => existsSync(PYTHON)
export const sftpServer = (): string | undefined => SFTP_SERVERS.find(path => existsSync(path))

/** Runs `command` (program and arguments) and closes `channel` with its exit status, or the signal that ended it. */
export function runJob(channel: ServerChannel, command: readonly string[], options: JobOptions): Job {
  const { terminal } = options
  const argv = terminal ? [PYTHON, TERMINAL, String(terminal.cols), String(terminal.rows), ...command] : command
  const child = spawn(argv[0]!, argv.slice(1), {
    cwd: options.folder,
    env: options.environment,
    // A process group of its own: what the command started ends with it, and Ctrl-C at the demo does not reach it.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', terminal ? 'pipe' : 'ignore'],
  })
  const kill = (signal: NodeJS.Signals) => {
    // The group may be gone already.
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      try {
        process.kill(-child.pid, signal)
      } catch {}
    }
  }

  joinStreams(channel, child)
  channel.on('close', () => kill('SIGHUP'))
  const ended = new Promise<void>(resolve => {
    child.on('error', () => {
      channel.exit(127)
      channel.end()
      resolve()
    })
    child.on('close', (code, signal) => {
      if (signal === null) channel.exit(code ?? 1)
      else channel.exit(signal.slice(3), false, '')
      channel.end()
      resolve()
    })
  })
  return {
    ended,
    resize(columns, rows) {
      if (terminal && Number.isSafeInteger(columns) && Number.isSafeInteger(rows)) {
        ;(child.stdio[CONTROL] as Writable).write(`${columns} ${rows}\n`)
      }
    },
    signal: name => SIGNALS.has(name) && kill(`SIG${name}` as NodeJS.Signals),
    hangUp: () => kill('SIGHUP'),
  }
}

function joinStreams(channel: ServerChannel, child: ChildProcess): void {
  // Either end may close first; the other then writes into nothing, which is no error here.
  for (const stream of [child.stdin, child.stdout, child.stderr, child.stdio[CONTROL], channel]) {
    stream?.on('error', () => undefined)
  }
  channel.pipe(child.stdin!)
  child.stdout!.pipe(channel, { end: false })
  child.stderr!.pipe(channel.stderr, { end: false })
}
