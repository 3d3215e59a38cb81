/** Seals a recording whose gateway stopped without doing so: keeps all whole frames, sets aside the unfinished one. */

import { type FileHandle, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../shared/clock.ts'
import type { Sealer } from '../../shared/cryptography/sealer.ts'
import type { Signer } from '../../shared/cryptography/signer.ts'
import { GatewayError } from '../../shared/errors.ts'
import { dataKeyPurpose, decryptFrame } from '../format/container.ts'
import { type Part, scan } from '../format/scan.ts'
import { encodeSeal, findSeal, MAX_SEAL_BYTES, sealHolds } from '../format/seal.ts'
import type { SealedRecording } from '../writing/recorder.ts'
import { isMissing, openToAppend, openUnlinked } from './files.ts'
import { handleChunks } from './reader.ts'

export interface InterruptedParts {
  /** The recordings folder. */
  readonly folder: string
  /** Relative to it. */
  readonly file: string
  readonly session: string
  readonly openBytes: Sealer['openBytes']
  readonly signer: Signer
  readonly clock: Clock
}

/** A seal and what it says: why and when the session ended. */
export interface FoundSeal extends SealedRecording {
  readonly reason: string
  readonly endedAt: number
}

/**
 * Signs what holds: the frames up to the last one whose link and tag are right (so that forged frames are not signed). What
 * comes behind them is kept as `….rec.torn` and cut off, and the seal says how many bytes that was. Gives undefined when not even the
 * header was finished (the session had not begun then). A file that is sealed already stays as it is, and its seal is given. Throws
 * `RECORDING_DAMAGED`, with nothing changed, for what was sealed once and is not whole, is another session's, or is no file.
 */
export async function sealUnfinished(parts: InterruptedParts, reason: string): Promise<FoundSeal | undefined> {
  const handle = await openUnlinked(parts.folder, parts.file)
  try {
    const state = await readState(handle, parts)
    if (state.kind === 'sealed') return state.seal
    if (state.kind === 'unfinished') return await sealAt(handle, state, parts, reason)
  } finally {
    await handle.close()
  }
  const path = join(parts.folder, parts.file)
  await rename(path, `${path}.torn`)
  return undefined
}

/** Whether the last bytes are a seal of this session that the key signed. What stands before them is not read. */
export async function hasSealAtEnd(folder: string, file: string, session: string, publicKeyPem: string) {
  const handle = await openUnlinked(folder, file).catch(error => {
    if (isMissing(error)) return undefined
    throw error
  })
  if (handle === undefined) return false
  try {
    const { size } = await handle.stat()
    const end = handleChunks(handle, Math.max(0, size - MAX_SEAL_BYTES))
    return (await findSeal(end, session, publicKeyPem)) !== undefined
  } finally {
    await handle.close()
  }
}

interface Unfinished {
  readonly kind: 'unfinished'
  readonly link: Buffer
  readonly end: number
  readonly frames: number
}

type State = { readonly kind: 'no-header' } | Unfinished | { readonly kind: 'sealed'; readonly seal: FoundSeal }

async function readState(handle: FileHandle, { file, session, openBytes, signer }: InterruptedParts): Promise<State> {
  let key: Buffer | undefined
  let whole: Unfinished | undefined
  let sealed: (Part & { kind: 'seal' }) | undefined
  for await (const part of scan(handleChunks(handle))) {
    if (part.kind === 'header') {
      if (part.header.subject.session !== session) throw damaged('is that of another session')
      key = openBytes(dataKeyPurpose(session), part.header.key)
      whole = { kind: 'unfinished', link: part.link, end: part.end, frames: 0 }
    } else if (part.kind === 'frame') {
      if (decryptFrame(part.head, part.body, { key: key!, session, previous: part.previous }) === undefined) break
      whole = { kind: 'unfinished', link: part.link, end: part.end, frames: whole!.frames + 1 }
    } else if (part.kind === 'seal') sealed = part
    else if (sealed !== undefined) throw damaged('goes on behind its seal')
  }
  if (whole === undefined) return { kind: 'no-header' }
  if (sealed === undefined) {
    // Sealed once, and changed since: another signature would make the change good.
    const before = await findSeal(handleChunks(handle, whole.end), session, signer.publicKeyPem)
    if (before !== undefined) throw damaged('was sealed before and is not what was sealed')
    return whole
  }
  const { seal, previous, head, json, signature, offset } = sealed
  if (seal.session !== session || !sealHolds(previous, head, json, signature, signer.publicKeyPem)) {
    throw damaged("has a seal that is not this gateway's for this session")
  }
  const bytes = offset + head.length + json.length + signature.length
  const { reason, endedAt } = seal
  return { kind: 'sealed', seal: { file, bytes, hash: previous.toString('hex'), reason, endedAt } }
}

async function sealAt(
  handle: FileHandle,
  { link, end, frames }: Unfinished,
  { folder, file, session, signer, clock }: InterruptedParts,
  reason: string,
): Promise<FoundSeal> {
  const cutBytes = (await handle.stat()).size - end
  if (cutBytes > 0) await setAside(handle, join(folder, file), end, cutBytes)
  const endedAt = clock.now()
  const facts = { session, frames, bytes: end, endedAt, reason, ...(cutBytes > 0 ? { cutBytes } : {}) }
  const seal = encodeSeal(facts, link, signer)
  await handle.truncate(end)
  await handle.appendFile(seal)
  await handle.sync()
  return { file, bytes: end + seal.length, hash: link.toString('hex'), reason, endedAt }
}

/** Evidence is never destroyed: what is cut off stays beside the recording, behind what an earlier try may have left there. */
async function setAside(from: FileHandle, path: string, offset: number, length: number): Promise<void> {
  const aside = await openToAppend(`${path}.torn`)
  try {
    let kept = 0
    for await (const chunk of handleChunks(from, offset)) {
      await aside.appendFile(chunk)
      kept += chunk.length
    }
    if (kept !== length) throw new GatewayError('CONFLICT', 'The recording is still being written.')
    await aside.sync()
  } finally {
    await aside.close()
  }
}

function damaged(what: string): GatewayError {
  return new GatewayError('RECORDING_DAMAGED', `The recording ${what}.`)
}
