/** Seals a recording whose gateway stopped without doing so: keeps all whole frames, sets aside the unfinished one. */

import { open, rename } from 'node:fs/promises'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { decryptFrame } from './container.ts'
import { fileChunks } from './reader.ts'
import type { SealedRecording } from './recorder.ts'
import { scan } from './scan.ts'
import { encodeSeal } from './seal.ts'
import { dataKeyPurpose, type KeyWrap, type Signer } from './signer.ts'

export interface InterruptedParts {
  readonly path: string
  /** Relative to the recordings folder. */
  readonly file: string
  readonly session: string
  readonly openBytes: KeyWrap['openBytes']
  readonly signer: Signer
  readonly clock: Clock
}

/**
 * Signs what holds: the frames up to the last one whose link and tag are right (so that a stranger's frames are not signed). What
 * comes behind them is kept as `….rec.torn` and cut off, and the seal says how many bytes that was. Gives undefined when not even the header
 * was finished (the session had not begun then). A file that is sealed already stays as it is.
 */
export async function sealUnfinished(parts: InterruptedParts, reason: string): Promise<SealedRecording | undefined> {
  const { path, file, session, openBytes, signer, clock } = parts
  let key: Buffer | undefined
  let whole: { link: Buffer; end: number; frames: number } | undefined
  for await (const part of scan(fileChunks(path))) {
    if (part.kind === 'header') {
      if (part.header.subject.session !== session) {
        throw new GatewayError('RECORDING_DAMAGED', 'The recording is that of another session.')
      }
      key = openBytes(dataKeyPurpose(session), part.header.key)
      whole = { link: part.link, end: part.end, frames: 0 }
    } else if (part.kind === 'frame') {
      if (decryptFrame(part.head, part.body, { key: key!, session, previous: part.previous }) === undefined) break
      whole = { link: part.link, end: part.end, frames: whole!.frames + 1 }
    } else if (part.kind === 'seal') {
      const bytes = part.offset + part.head.length + part.json.length + part.signature.length
      return { file, bytes, hash: part.previous.toString('hex') }
    }
  }
  if (whole === undefined) {
    await rename(path, `${path}.torn`)
    return undefined
  }
  const { link, end, frames } = whole
  const handle = await open(path, 'a')
  try {
    const cutBytes = (await handle.stat()).size - end
    if (cutBytes > 0) await setAside(path, end, cutBytes)
    const seal = encodeSeal(
      { session, frames, bytes: end, endedAt: clock.now(), reason, ...(cutBytes > 0 ? { cutBytes } : {}) },
      link,
      signer,
    )
    await handle.truncate(end)
    await handle.appendFile(seal)
    await handle.sync()
    return { file, bytes: end + seal.length, hash: link.toString('hex') }
  } finally {
    await handle.close()
  }
}

/** Evidence is never destroyed: what is cut off stays beside the recording, behind what an earlier try may have left there. */
async function setAside(path: string, from: number, length: number): Promise<void> {
  const aside = await open(`${path}.torn`, 'a', 0o600)
  try {
    let skip = from
    let kept = 0
    for await (const chunk of fileChunks(path)) {
      const rest = chunk.subarray(skip)
      await aside.appendFile(rest)
      kept += rest.length
      skip = Math.max(0, skip - chunk.length)
    }
    if (kept !== length) throw new GatewayError('CONFLICT', 'The recording is still being written.')
    await aside.sync()
  } finally {
    await aside.close()
  }
}
