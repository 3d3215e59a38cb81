/** Reads a recording back: decrypts, unpacks and gives its events, up to the last whole frame where it was interrupted. */

import type { Sealer } from '../../shared/cryptography/sealer.ts'
import { GatewayError } from '../../shared/errors.ts'
import {
  dataKeyPurpose,
  decodeHead,
  decryptFrame,
  KEY_BYTES,
  type RecordingHeader,
  type Seal,
} from '../format/container.ts'
import { BatchReader } from '../format/event-codec.ts'
import type { RecordedEvent } from '../format/events.ts'
import { unpack } from '../format/pack.ts'
import { type Part, scan } from '../format/scan.ts'
import { fileChunks } from './files.ts'

export type OpenBytes = Sealer['openBytes']

/**
 * How a recording ended. `sealed`: the seal fits the frames, its signature is for `verify` to check. `unsealed`: still being
 * written, or interrupted; `tornBytes` of an unfinished frame were left out.
 */
export type RecordingEnd =
  | { readonly kind: 'sealed'; readonly seal: Seal }
  | { readonly kind: 'unsealed'; readonly tornBytes: number }

export interface Recording extends AsyncIterable<RecordedEvent> {
  readonly header: RecordingHeader
  /** Known once the events have been read to their end. */
  readonly end: RecordingEnd | undefined
}

/**
 * Opens a recording's file. Throws `NOT_FOUND`, `RECORDING_DAMAGED` (also from the iteration, with the frame's number), and what
 * `openBytes` throws. The file is closed when the iteration ends or is left.
 */
export async function readRecording(path: string, openBytes: OpenBytes): Promise<Recording> {
  return readRecordingStream(fileChunks(path), openBytes)
}

/** The same from the container's bytes in chunks of any size, for example those of a session that is followed. */
export async function readRecordingStream(chunks: AsyncIterable<Buffer>, openBytes: OpenBytes): Promise<Recording> {
  const parts = scan(chunks)
  const first = (await parts.next()).value
  if (first?.kind !== 'header') {
    await parts.return()
    throw damaged(first?.kind === 'fault' ? first.fault.why : 'it is empty')
  }
  const { header } = first
  const { session } = header.subject
  const key = await openKey(openBytes, header).catch(async error => {
    await parts.return()
    throw error
  })
  const recording = {
    header,
    end: undefined as RecordingEnd | undefined,
    async *[Symbol.asyncIterator]() {
      const reader = new BatchReader()
      for await (const part of parts) {
        if (part.kind === 'frame') yield* reader.read(await openFrame(part, key, session))
        else recording.end = endOf(part)
      }
    },
  }
  return recording
}

async function openKey(openBytes: OpenBytes, { subject, key }: RecordingHeader): Promise<Buffer> {
  const opened = openBytes(dataKeyPurpose(subject.session), key)
  if (opened.length !== KEY_BYTES) throw damaged('its data key has the wrong length')
  return opened
}

/** The plain bytes of a frame. Throws `RECORDING_DAMAGED`. */
async function openFrame(frame: Part & { kind: 'frame' }, key: Buffer, session: string): Promise<Buffer> {
  const payload = decryptFrame(frame.head, frame.body, { key, session, previous: frame.previous })
  const { type, seq } = decodeHead(frame.head)
  if (payload === undefined) throw damaged(`frame ${seq} does not decrypt`)
  const batch = await unpack(type, payload)
  if (batch === undefined) throw damaged(`frame ${seq} does not unpack`)
  return batch
}

function endOf(part: Part): RecordingEnd {
  switch (part.kind) {
    case 'seal':
      return { kind: 'sealed', seal: part.seal }
    case 'unsealed':
      return { kind: 'unsealed', tornBytes: 0 }
    case 'fault':
      if (part.tornBytes !== undefined) return { kind: 'unsealed', tornBytes: part.tornBytes }
      throw damaged(`frame ${part.fault.frame} at byte ${part.fault.offset}: ${part.fault.why}`)
    default:
      throw damaged('it has two headers')
  }
}

function damaged(why: string): GatewayError {
  return new GatewayError('RECORDING_DAMAGED', `The recording is damaged: ${why}.`)
}
