/** Checks recordings with the public key alone: no vault, no gateway, no network. */

import { opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { signingKeyId } from '../../shared/cryptography/signer.ts'
import { messageOf } from '../../shared/errors.ts'
import type { RecordingHeader } from '../format/container.ts'
import type { RecordingSubject } from '../format/events.ts'
import { type Fault, type Part, scan } from '../format/scan.ts'
import { sealHolds } from '../format/seal.ts'
import { fileChunks } from './files.ts'
import { EXTENSION } from './paths.ts'

export interface Verification {
  /** True only for a recording that is whole, in order, unaltered, and sealed by the key. */
  readonly ok: boolean
  readonly subject?: RecordingSubject
  /** Which key was to sign it, and when its file was made: as trustworthy as the seal. */
  readonly header?: Pick<RecordingHeader, 'signingKey' | 'createdAt'>
  /** How many frames hold, from the first on. */
  readonly frames: number
  readonly bytes: number
  readonly firstBad?: Fault
  readonly sealed: boolean
  /** The file ends without a seal, between frames or within one, and what is there holds: still being written, interrupted, or cut. */
  readonly unfinished?: boolean
  /** Why the session ended, as the seal says: `interrupted` when its gateway stopped unexpectedly. */
  readonly reason?: string
  readonly endedAt?: number
  /** Bytes of an unfinished frame that were cut off when an interrupted recording was sealed. */
  readonly cutBytes?: number
  /** The last link of the chain that holds, hex: what the seal signs, and what the audit log has. */
  readonly hash?: string
}

/** Never throws for what is in the file, only where it cannot be read at all. `publicKeyPem` is the gateway's signing key. */
export function verifyRecording(path: string, publicKeyPem: string): Promise<Verification> {
  return verifyBytes(fileChunks(path), publicKeyPem)
}

/** The same of a recording's bytes, in chunks of any size. */
export async function verifyBytes(bytes: AsyncIterable<Buffer>, publicKeyPem: string): Promise<Verification> {
  let result: Verification = { ok: false, frames: 0, bytes: 0, sealed: false }
  for await (const part of scan(bytes)) result = { ...result, ...check(part, result, publicKeyPem) }
  return result
}

function check(part: Part, { frames, subject }: Verification, publicKeyPem: string): Partial<Verification> {
  switch (part.kind) {
    case 'header': {
      const { subject, signingKey, createdAt } = part.header
      return { subject, header: { signingKey, createdAt }, bytes: part.end, hash: part.link.toString('hex') }
    }
    case 'frame':
      return { frames: frames + 1, bytes: part.end, hash: part.link.toString('hex') }
    case 'seal': {
      const { seal, previous, head, json, signature, offset } = part
      const bytes = offset + head.length + json.length + signature.length
      if (!sealHolds(previous, head, json, signature, publicKeyPem)) {
        const sameKey = seal.signingKey === signingKeyId(publicKeyPem)
        const why = sameKey ? 'the signature of the seal is wrong' : `sealed with another key (${seal.signingKey})`
        return { bytes, firstBad: { frame: frames, offset, why } }
      }
      if (seal.session !== subject?.session) {
        return { bytes, firstBad: { frame: frames, offset, why: 'the seal is of another session' } }
      }
      const { reason, endedAt, cutBytes } = seal
      return { ok: true, sealed: true, bytes, reason, endedAt, ...(cutBytes === undefined ? {} : { cutBytes }) }
    }
    case 'unsealed':
      return {
        unfinished: true,
        firstBad: { frame: frames, offset: part.end, why: 'no seal: still being written, or interrupted' },
      }
    case 'fault':
      return { ok: false, firstBad: part.fault, unfinished: part.tornBytes !== undefined }
  }
}

function unreadable(error: unknown): Verification {
  const firstBad = { frame: -1, offset: 0, why: messageOf(error) }
  return { ok: false, frames: 0, bytes: 0, sealed: false, firstBad }
}

/** Every recording under a folder, in the order of their names, with its path relative to the folder. */
export async function* verifyFolder(
  folder: string,
  publicKeyPem: string,
): AsyncGenerator<Verification & { readonly file: string }> {
  for await (const file of recordingsIn(folder, '')) {
    // One that cannot be read, or is no file, hides none of the others.
    const found = await verifyRecording(join(folder, file), publicKeyPem).catch(unreadable)
    yield { file, ...found }
  }
}

async function* recordingsIn(folder: string, below: string): AsyncGenerator<string> {
  const entries = []
  for await (const entry of await opendir(join(folder, below))) entries.push(entry)
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    const path = join(below, entry.name)
    if (entry.isDirectory()) yield* recordingsIn(folder, path)
    // Also what is no file: it lies where a recording should.
    else if (entry.name.endsWith(EXTENSION)) yield path
  }
}
