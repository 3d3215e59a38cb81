/** The folder of recordings: opens one for a session, finds those without a seal, and lets live ones be followed. */

import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import type { Metrics } from '../shared/metrics.ts'
import { AppendFile } from './append-file.ts'
import { encodeHeader, KEY_BYTES, signingKeyId } from './container.ts'
import type { RecordingSubject } from './events.ts'
import { followWriter } from './follow.ts'
import { isSessionId, markerFile, recordingFile, UNSEALED_FOLDER } from './paths.ts'
import { type Recording, readRecording } from './reader.ts'
import type { Recorder, SealedRecording } from './recorder.ts'
import { sealUnfinished } from './seal-interrupted.ts'
import { dataKeyPurpose, type KeyWrap, type Signer } from './signer.ts'
import { RecordingWriter } from './writer.ts'

/** Every open recording is touched this often, so that others can tell that it is owned. */
const KEEP_MS = 5000
/** A file that nobody touched for this long has no owner any more. */
const UNTOUCHED_MS = 2 * KEEP_MS
/** After this time someone else may try to seal what a gateway began to seal. */
const CLAIM_MS = 60_000
const CLAIM = '.sealing'

export interface Recordings {
  /** The file's name relative to the folder: known before the recording is opened. Throws `NOT_FOUND` for a malformed session id. */
  fileOf(subject: Pick<RecordingSubject, 'session'>): string
  /** Makes the file and writes its header. Throws `RECORDING_UNAVAILABLE`: the session must then be refused. */
  open(subject: RecordingSubject): Promise<Recorder>
  /** Throws `NOT_FOUND` and `RECORDING_DAMAGED`. */
  read(session: string): Promise<Recording>
  /** Recordings without a seal that nobody has touched for a while; those that this gateway writes are left out. */
  findUnsealed(): Promise<UnsealedRecording[]>
  /**
   * Seals one as interrupted. Undefined when there was nothing to seal, another gateway is at it, or its owner touched it a moment ago
   * (`force`: it is known to be gone). A recording that cannot be sealed is logged, and found again later.
   */
  sealInterrupted(recording: Pick<UnsealedRecording, 'session'>, force?: 'force'): Promise<SealedRecording | undefined>
  /**
   * The bytes of a recording that this gateway writes now: the whole file so far, then each frame as it is written, then the seal.
   * Undefined when the session does not run here. A slow reader holds nothing up and misses nothing. `stop` ends the waiting.
   */
  tap(session: string, stop?: AbortSignal): AsyncIterable<Buffer> | undefined
}

export interface UnsealedRecording {
  readonly session: string
  /** Relative to the folder. */
  readonly file: string
}

export function createRecordings(parts: {
  folder: string
  seal: KeyWrap
  signer: Signer
  clock: Clock
  metrics?: Pick<Metrics, 'recorderLag'>
  log?: Log
}): Recordings {
  const { folder, seal, signer, clock, metrics, log } = parts
  const writers = new Map<string, RecordingWriter>()
  const pathOf = (session: string) => join(folder, recordingFile(session))
  const markerOf = (session: string) => join(folder, markerFile(session))
  let keeping = false

  /** One round: says that all are owned, then syncs one after the other, so that other work finds a free thread. */
  async function keep(): Promise<void> {
    await Promise.all(Array.from(writers.values(), writer => writer.touch()))
    for (const writer of writers.values()) await writer.sync()
    keeping = false
    keepLater()
  }

  /** One timer for all recordings, and none without any. */
  function keepLater(): void {
    if (keeping || writers.size === 0) return
    keeping = true
    setTimeout(keep, KEEP_MS).unref()
  }

  async function create(subject: RecordingSubject): Promise<RecordingWriter> {
    const { session, startedAt } = subject
    const key = randomBytes(KEY_BYTES)
    const { bytes, link } = encodeHeader({
      subject,
      key: seal.sealBytes(dataKeyPurpose(session), key),
      signingKey: signingKeyId(signer.publicKeyPem),
      createdAt: clock.now(),
    })
    // The marker first: a crash in between leaves a marker without a recording, never a recording that nobody will seal.
    await makeFile(markerOf(session), Buffer.alloc(0)).then(handle => handle.close())
    const handle = await makeFile(pathOf(session), bytes).catch(async error => {
      await removeIfThere(markerOf(session))
      throw error
    })
    const file = new AppendFile(handle, bytes.length, clock)
    return new RecordingWriter({
      ...{ file, name: recordingFile(session), session, startedAt, key, link, signer, clock },
      lag: bytes => metrics?.recorderLag.inc(bytes),
      async closed(sealed) {
        writers.delete(session)
        if (sealed) await removeIfThere(markerOf(session))
      },
    })
  }

  /** One gateway gets it: the marker can be renamed once. */
  async function claim(session: string): Promise<boolean> {
    const marker = markerOf(session)
    const now = clock.now() / 1000
    try {
      // The time first: a claim must never look old, or another would take it over.
      await utimes(marker, now, now)
      await rename(marker, marker + CLAIM)
      return true
    } catch (error) {
      if (!isMissing(error)) throw error
    }
    const claimed = await ageOf(marker + CLAIM, clock)
    if (claimed === undefined || claimed < CLAIM_MS) return false
    await utimes(marker + CLAIM, now, now)
    return true
  }

  return {
    fileOf: ({ session }) => recordingFile(session),

    async open(subject) {
      try {
        const writer = await create(subject)
        writers.set(subject.session, writer)
        writer.failure.addEventListener('abort', () => {
          log?.error({ err: writer.failure.reason, session: subject.session }, 'a recording failed')
        })
        keepLater()
        return writer
      } catch (cause) {
        throw new GatewayError('RECORDING_UNAVAILABLE', 'The session cannot be recorded.', { cause })
      }
    },

    async read(session) {
      return readRecording(pathOf(session), seal.openBytes)
    },

    async findUnsealed() {
      const found: UnsealedRecording[] = []
      for (const name of await readdir(join(folder, UNSEALED_FOLDER)).catch(emptyIfMissing)) {
        const session = name.endsWith(CLAIM) ? name.slice(0, -CLAIM.length) : name
        if (!isSessionId(session) || writers.has(session)) continue
        const untouched = await ageOf(pathOf(session), clock)
        const marked = await ageOf(join(folder, UNSEALED_FOLDER, name), clock)
        const least = name.endsWith(CLAIM) ? CLAIM_MS : UNTOUCHED_MS
        if (marked === undefined || marked < least || (untouched !== undefined && untouched < UNTOUCHED_MS)) continue
        if (untouched === undefined) await removeIfThere(join(folder, UNSEALED_FOLDER, name))
        else found.push({ session, file: recordingFile(session) })
      }
      return found
    },

    async sealInterrupted({ session }, force) {
      const path = pathOf(session)
      const untouched = await ageOf(path, clock)
      if (writers.has(session) || untouched === undefined) return undefined
      if (force === undefined && untouched < UNTOUCHED_MS) return undefined
      if (!(await claim(session))) return undefined
      const file = recordingFile(session)
      try {
        const sealed = await sealUnfinished(
          { path, file, session, openBytes: seal.openBytes, signer, clock },
          'interrupted',
        )
        await removeIfThere(markerOf(session) + CLAIM)
        return sealed
      } catch (error) {
        log?.error({ err: error, session }, 'an interrupted recording cannot be sealed now')
        return undefined
      }
    },

    tap(session, stop) {
      const writer = writers.get(session)
      return writer === undefined ? undefined : followWriter(writer, pathOf(session), stop)
    },
  }
}

/** Makes a new file (never one that is there) with these bytes; open for appending, for the owner alone. */
async function makeFile(path: string, bytes: Buffer): Promise<FileHandle> {
  const { O_WRONLY, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const handle = await open(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    // Also repeats the write where the disk took only a part.
    await writeFile(handle, bytes)
    return handle
  } catch (error) {
    await handle.close()
    await removeIfThere(path)
    throw error
  }
}

async function ageOf(path: string, clock: Clock): Promise<number | undefined> {
  try {
    return clock.now() - (await stat(path)).mtimeMs
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

async function removeIfThere(path: string): Promise<void> {
  await unlink(path).catch(error => {
    if (!isMissing(error)) throw error
  })
}

function emptyIfMissing(error: unknown): string[] {
  if (isMissing(error)) return []
  throw error
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}
