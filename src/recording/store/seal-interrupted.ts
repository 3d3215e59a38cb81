/** Seals a recording whose gateway stopped without doing so: keeps all whole frames, sets aside the unfinished one. */

import type { Clock } from '../../shared/clock.ts'
import type { Sealer } from '../../shared/cryptography/sealer.ts'
import type { Signer } from '../../shared/cryptography/signer.ts'
import { GatewayError } from '../../shared/errors.ts'
import { dataKeyPurpose, decryptFrame } from '../format/container.ts'
import { type Part, scan } from '../format/scan.ts'
import { encodeSeal, findSeal, MAX_SEAL_BYTES, sealHolds } from '../format/seal.ts'
import type { SealedRecording } from '../writing/recorder.ts'
import type { RecordingStore, StoredRecording } from './recording-store.ts'

export interface InterruptedParts {
  readonly recordingStore: RecordingStore
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
 * comes behind them is kept as `….rec.torn` and cut off, and the seal says how many bytes that was. Returns undefined when not even the
 * header was finished (the session had not begun then). A file that is sealed already stays as it is, and its seal is given. Throws
 * `RECORDING_DAMAGED`, with nothing changed, for what was sealed once and is not whole, is another session's, or is no file.
 */
export async function sealUnfinished(parts: InterruptedParts, reason: string): Promise<FoundSeal | undefined> {
  const { recordingStore, session } = parts
  const stored = await recordingStore.open(session, 'seal')
  if (stored === undefined) throw new GatewayError('NOT_FOUND', 'The recording is gone.')
  try {
    const state = await readState(stored, parts)
    if (state.kind === 'sealed') return state.seal
    if (state.kind === 'unfinished') return await sealAt(stored, state, parts, reason)
  } finally {
    await stored.close()
  }
  await recordingStore.putAside(session)
  return undefined
}

/** Whether the last bytes are a seal of this session that the key signed. What stands before them is not read. */
export async function hasSealAtEnd(recordingStore: RecordingStore, session: string, publicKeyPem: string) {
  const stored = await recordingStore.open(session, 'read')
  if (stored === undefined) return false
  try {
    const end = stored.bytesFrom(Math.max(0, (await stored.size()) - MAX_SEAL_BYTES))
    return (await findSeal(end, session, publicKeyPem)) !== undefined
  } finally {
    await stored.close()
  }
}

interface Unfinished {
  readonly kind: 'unfinished'
  readonly link: Buffer
  readonly end: number
  readonly frames: number
}

type State = { readonly kind: 'no-header' } | Unfinished | { readonly kind: 'sealed'; readonly seal: FoundSeal }

async function readState(
  stored: StoredRecording,
  { recordingStore, session, openBytes, signer }: InterruptedParts,
): Promise<State> {
  let key: Buffer | undefined
  let whole: Unfinished | undefined
  let sealed: (Part & { kind: 'seal' }) | undefined
  for await (const part of scan(stored.bytesFrom())) {
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
    const before = await findSeal(stored.bytesFrom(whole.end), session, signer.publicKeyPem)
    if (before !== undefined) throw damaged('was sealed before and is not what was sealed')
    return whole
  }
  const { seal, previous, head, json, signature, offset } = sealed
  if (seal.session !== session || !sealHolds(previous, head, json, signature, signer.publicKeyPem)) {
    throw damaged("has a seal that is not this gateway's for this session")
  }
  const bytes = offset + head.length + json.length + signature.length
  const { reason, endedAt } = seal
  return {
    kind: 'sealed',
    seal: { file: recordingStore.nameOf(session), bytes, hash: previous.toString('hex'), reason, endedAt },
  }
}

async function sealAt(
  stored: StoredRecording,
  { link, end, frames }: Unfinished,
  { recordingStore, session, signer, clock }: InterruptedParts,
  reason: string,
): Promise<FoundSeal> {
  const size = await stored.size()
  const cutBytes = size - end
  const endedAt = clock.now()
  const facts = { session, frames, bytes: end, endedAt, reason, ...(cutBytes > 0 ? { cutBytes } : {}) }
  const seal = await encodeSeal(facts, link, signer)
  await stored.sealAt(end, seal, size)
  const file = recordingStore.nameOf(session)
  return { file, bytes: end + seal.length, hash: link.toString('hex'), reason, endedAt }
}

function damaged(what: string): GatewayError {
  return new GatewayError('RECORDING_DAMAGED', `The recording ${what}.`)
}
