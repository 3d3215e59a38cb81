/** Runs a program of the administrator's: no shell, a fixed environment, bounded output, and an end for all that it started. */

import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import type { Readable } from 'node:stream'
import { messageOf } from '../../shared/errors.ts'
import { endDescendants, type Marks, streamsOf, ticksNow } from './end-descendants.ts'
import { openProgram } from './open-program.ts'

export interface Program {
  /** Absolute. */
  readonly path: string
  readonly arguments: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** In milliseconds. */
  readonly timeout: number
}

export type Run =
  /** It was not started: nothing has happened. */
  | { readonly kind: 'not-started'; readonly why: string }
  /** It was killed; `errors` is the beginning of what it wrote to stderr. */
  | { readonly kind: 'killed'; readonly why: string; readonly errors: Buffer }
  | { readonly kind: 'exited'; readonly code: number; readonly output: Buffer; readonly errors: Buffer }

/** An answer is one line of JSON. */
const MOST_OUTPUT_BYTES = 64 * 1024
const MOST_ERROR_BYTES = 16 * 1024
/** What is more of it is read and not kept, but this is a flood. */
const FLOOD_BYTES = 1024 * 1024
/** What was left running and is not found may hold its output open: that is not waited for. */
const OUTPUT_PATIENCE_MS = 500
/** What is killed may still wait for a disk that does not answer. */
const KILLED_PATIENCE_MS = 5000
/** In its environment, with a value of its own each time: by this is found what it leaves running. */
const MARK = 'SALLYPORT_RUN'
/** None of the gateway's own, which may hold the vault key and the store's password. */
const ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' }

/** `input` goes to its stdin, and is overwritten. Never rejects. */
export async function runProgram(program: Program, input: Buffer, signal: AbortSignal): Promise<Run> {
  try {
    signal.throwIfAborted()
    await using file = await openProgram(program.path)
    // Its descriptor 3: what was looked at, whatever has the name by now.
    const since = await ticksNow()
    const mark = randomBytes(16).toString('hex')
    const child = spawn('/proc/self/fd/3', program.arguments, {
      argv0: program.path,
      cwd: '/',
      detached: true,
      env: { ...ENVIRONMENT, ...program.environment, [MARK]: mark },
      stdio: ['pipe', 'pipe', 'pipe', file.fd],
    })
    const failed = await started(child)
    if (failed !== undefined) {
      return { kind: 'not-started', why: `the program ${program.path} cannot be started: ${messageOf(failed)}` }
    }
    // Not waited for: it may be over before it is listened to.
    const streams = streamsOf(child.pid!)
    const marks = async () => ({ environment: `${MARK}=${mark}`, streams: await streams, since })
    return await attend(child, program, { input, marks, signal })
  } catch (error) {
    return { kind: 'not-started', why: messageOf(error) }
  } finally {
    input.fill(0)
  }
}

function started(child: ChildProcess): Promise<Error | undefined> {
  return new Promise(resolve => {
    child.once('spawn', () => resolve(undefined))
    child.once('error', resolve)
  })
}

async function attend(
  child: ChildProcess,
  { timeout }: Program,
  {
    input,
    marks,
    signal,
  }: { readonly input: Buffer; readonly marks: () => Promise<Marks>; readonly signal: AbortSignal },
): Promise<Run> {
  child.on('error', () => undefined)
  const { stdin, stdout, stderr } = child as { stdin: NodeJS.WritableStream; stdout: Readable; stderr: Readable }
  let killed: string | undefined
  const over = Promise.withResolvers<[number | null, NodeJS.Signals | null]>()
  child.once('exit', (...ended) => over.resolve(ended))
  let patience: NodeJS.Timeout | undefined
  const kill = (why: string) => {
    endGroup(child)
    if (killed !== undefined) return
    killed = why
    patience = setTimeout(() => over.resolve([null, null]), KILLED_PATIENCE_MS)
  }
  const output = collect(stdout, MOST_OUTPUT_BYTES, MOST_OUTPUT_BYTES, () =>
    kill(`it wrote more than ${MOST_OUTPUT_BYTES} bytes`),
  )
  const errors = collect(stderr, MOST_ERROR_BYTES, FLOOD_BYTES, () => kill('it wrote without end to stderr'))
  const timer = setTimeout(() => kill(`it took longer than ${timeout / 1000} s`), timeout)
  const abort = () => kill('its rotation was stopped')
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  // It may close its stdin, or end, without reading it.
  stdin.on('error', () => undefined)
  stdin.end(input)
  try {
    const [code, by] = await over.promise
    endGroup(child)
    await endDescendants(await marks())
    await bothClosed(stdout, stderr)
    if (killed !== undefined) return { kind: 'killed', why: killed, errors: errors() }
    if (code === null) return { kind: 'killed', why: `it was ended by ${by}`, errors: errors() }
    return { kind: 'exited', code, output: output(), errors: errors() }
  } finally {
    clearTimeout(timer)
    clearTimeout(patience)
    signal.removeEventListener('abort', abort)
    for (const stream of [stdout, stderr]) stream.destroy()
  }
}

/** With all that it started and that did not leave its process group: at once, as nothing needs to be looked for. */
function endGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, 'SIGKILL')
  } catch {
    // Nobody is left in it.
  }
}

/** Keeps the beginning; `over` is told when there is more than `flood`. */
function collect(stream: Readable, most: number, flood: number, over: () => void): () => Buffer {
  const chunks: Buffer[] = []
  let bytes = 0
  stream.on('error', () => undefined)
  stream.on('data', (chunk: Buffer) => {
    if (bytes < most) chunks.push(chunk.subarray(0, most - bytes))
    bytes += chunk.length
    if (bytes > flood) over()
  })
  return () => Buffer.concat(chunks)
}

async function bothClosed(...streams: readonly Readable[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<void>(resolve => {
    timer = setTimeout(resolve, OUTPUT_PATIENCE_MS)
  })
  const closed = streams.map(stream =>
    stream.closed ? undefined : new Promise<void>(resolve => stream.once('close', resolve)),
  )
  await Promise.race([Promise.all(closed), patience])
  clearTimeout(timer)
}
