/** The demo's SSH target: a small SSH server in this process, with accounts whose passwords only the vault is told. */

import { timingSafeEqual } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import type { Algorithms, AuthContext, Connection, PseudoTtyInfo, ServerChannel, Session } from 'ssh2'
import { CIPHERS, MACS } from '../protocols/ssh/transport/algorithms.ts'
import { generateKeyPair } from '../protocols/ssh/transport/generate-key-pair.ts'
import { ssh2 } from '../protocols/ssh/transport/ssh2-internals.ts'
import type { Secret } from '../shared/secret.ts'
import { canHaveTerminal, type Job, runJob, sftpServer } from './ssh-job.ts'

export interface DemoSshHost {
  readonly port: number
  /** As a line of known_hosts without the host: `ssh-ed25519 AAAA…`. */
  readonly hostKey: string
  close(): Promise<void>
}

export interface DemoSshHostOptions {
  /** Their passwords, by name. */
  readonly accounts: Readonly<Record<string, Secret>>
  /** The name in the prompt. */
  readonly name: string
  /** The home folder of all accounts; commands run as the person who runs the demo. */
  readonly home: string
}

/** Listens on a free loopback port. Understands shell, exec and sftp; every forwarding is refused. */
export async function startDemoSshHost(options: DemoSshHostOptions): Promise<DemoSshHost> {
  const key = generateKeyPair('ed25519')
  const connections = new Set<Connection>()
  const jobs = new Set<Job>()

  const server = new ssh2.Server(
    {
      hostKeys: [key.secret.revealBytes()],
      algorithms: { kex: ['curve25519-sha256'], cipher: CIPHERS, hmac: MACS } as Algorithms,
    },
    connection => {
      connections.add(connection)
      connection.on('close', () => connections.delete(connection))
      // A client that vanishes is no news; without a listener it would end the demo.
      connection.on('error', () => undefined)
      let account = ''
      connection.on('authentication', context => {
        account = context.username
        authenticate(context, options)
      })
      connection.on('session', accept => serveSession(accept(), account, options, jobs))
    },
  )
  const { port } = await new Promise<AddressInfo>((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server.address() as AddressInfo))
  })
  return {
    port,
    hostKey: key.public.trim(),
    async close() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      for (const job of jobs) job.hangUp()
      for (const connection of connections) connection.end()
      await closed
    },
  }
}

function authenticate(context: AuthContext, { accounts }: DemoSshHostOptions): void {
  const password = Object.hasOwn(accounts, context.username) ? accounts[context.username] : undefined
  if (context.method === 'password' && password !== undefined && isEqual(context.password, password)) {
    context.accept()
  } else {
    context.reject(['password'])
  }
}

function isEqual(given: string, expected: Secret): boolean {
  const bytes = Buffer.from(given)
  return bytes.length === expected.byteLength && timingSafeEqual(bytes, expected.revealBytes())
}

function serveSession(session: Session, account: string, options: DemoSshHostOptions, jobs: Set<Job>): void {
  let terminal: PseudoTtyInfo | undefined
  let job: Job | undefined
  const environment: Record<string, string> = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: options.home,
    USER: account,
    LOGNAME: account,
    SHELL: '/bin/sh',
    PS1: `${account}@${options.name}:\\w\\$ `,
  }
  const start = (channel: ServerChannel, command: readonly string[], onTerminal: boolean) => {
    const started = runJob(channel, command, {
      environment,
      folder: options.home,
      terminal: onTerminal ? terminal : undefined,
    })
    job = started
    jobs.add(started)
    started.ended.then(() => jobs.delete(started))
  }

  session.on('pty', (accept, reject, info) => {
    if (!canHaveTerminal()) return reject?.()
    terminal = info
    environment.TERM = /^[\w.+-]+$/.test((info as { term?: string }).term ?? '')
      ? (info as unknown as { term: string }).term
      : 'dumb'
    accept?.()
  })
  session.on('env', (accept, reject, { key, val }) => {
    if (!/^(LANG|LC_[A-Z]+)$/.test(key)) return reject?.()
    environment[key] = val
    accept?.()
  })
  session.on('window-change', (accept, _reject, { cols, rows }) => {
    job?.resize(cols, rows)
    accept?.()
  })
  session.on('signal', (accept, _reject, { name }) => {
    job?.signal(name)
    accept?.()
  })
  session.on('shell', accept => start(accept(), ['/bin/bash', '--noprofile', '--norc'], true))
  session.on('exec', (accept, _reject, { command }) => start(accept(), ['/bin/bash', '-c', command], true))
  session.on('subsystem', (accept, reject, { name }) => {
    const server = sftpServer()
    if (name !== 'sftp' || server === undefined) return reject()
    start(accept(), [server], false)
  })
}
