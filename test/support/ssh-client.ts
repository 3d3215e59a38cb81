/** Debian's `ssh` as a person would use it: answers for its prompts, no agent, no configuration of the machine's. */

import { spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LONGEST_WAIT_MS, removeFolder } from './child.ts'

export interface SshAnswers {
  readonly password?: string
  /** Asked for once for each prompt. */
  readonly code?: () => string
  readonly identityFile?: string
}

export interface SshResult {
  /** The exit status, 255 for ssh's own failures. */
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface SshProcess {
  readonly stdin: NodeJS.WritableStream
  /** Resolves when stdout and stderr together match. Rejects when the program ends before, or after {@link LONGEST_WAIT_MS}. */
  printed(pattern: RegExp): Promise<void>
  readonly ended: Promise<SshResult>
  /** Not given: SIGTERM. */
  kill(signal?: NodeJS.Signals): void
}

/** Options that every OpenSSH client program takes. */
export function clientOptions({ password, identityFile }: SshAnswers): string[] {
  const identity =
    identityFile === undefined ? ['PubkeyAuthentication=no'] : [`IdentityFile=${identityFile}`, 'IdentitiesOnly=yes']
  const methods = password === undefined ? 'publickey,keyboard-interactive' : 'password,keyboard-interactive'
  return [
    ...['UserKnownHostsFile=/dev/null', 'StrictHostKeyChecking=no', 'IdentityAgent=none', 'NumberOfPasswordPrompts=1'],
    ...identity,
    ...(identityFile === undefined || password === undefined ? [`PreferredAuthentications=${methods}`] : []),
  ].flatMap(option => ['-o', option])
}

/** An environment in which ssh gets these answers, and a home of its own; remove the folder at the end. */
export function answering(answers: SshAnswers): { folder: string; env: NodeJS.ProcessEnv } {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-askpass-'))
  const askpass = join(folder, 'askpass')
  writeFileSync(join(folder, 'code'), answers.code?.() ?? '')
  writeFileSync(join(folder, 'password'), answers.password ?? '')
  writeFileSync(
    askpass,
    `#!/bin/sh\ncase "$1" in *code*) cat '${folder}/code' ;; *) cat '${folder}/password' ;; esac\n`,
    { mode: 0o700 },
  )
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    SSH_ASKPASS: askpass,
    SSH_ASKPASS_REQUIRE: 'force',
    LC_ALL: 'C.UTF-8',
  }
  return { folder, env }
}

/** Starts `program` (ssh, scp, sftp…) with answers for its prompts through SSH_ASKPASS. */
export function startClient(program: string, args: string[], answers: SshAnswers): SshProcess {
  const { folder, env } = answering(answers)
  const child = spawn(program, args, { env })
  let stdout = ''
  let stderr = ''
  const look = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', text => {
    stdout += text
    for (const check of look) check()
  })
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text
    for (const check of look) check()
  })
  child.stdin.on('error', () => undefined)
  const ended = new Promise<SshResult>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', status => {
      removeFolder(folder)
      resolve({ status: status ?? 255, stdout, stderr })
    })
  })
  return {
    stdin: child.stdin,
    printed(pattern) {
      return new Promise((resolve, reject) => {
        const refuse = (what: string) => reject(new Error(`${program} ${what} ${pattern}: ${stdout}${stderr}`))
        const timer = setTimeout(refuse, LONGEST_WAIT_MS, 'has not printed')
        const check = () => {
          if (!pattern.test(stdout + stderr)) return
          look.delete(check)
          clearTimeout(timer)
          resolve()
        }
        look.add(check)
        check()
        ended.then(() => refuse('ended without'), reject).finally(() => clearTimeout(timer))
      })
    },
    ended,
    kill: (signal = 'SIGTERM') => void child.kill(signal),
  }
}

/** `ssh` to a gateway: `login` is the whole login name. */
export function startSsh(
  at: { host: string; port: number },
  login: string,
  answers: SshAnswers,
  ...command: string[]
): SshProcess {
  return startClient(
    'ssh',
    [...clientOptions(answers), '-p', String(at.port), '-l', login, at.host, ...command],
    answers,
  )
}
