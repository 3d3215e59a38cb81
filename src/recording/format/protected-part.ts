/**
 * What of a fact is not shown to everybody who may read a recording: encrypted under a key of its own, which the vault has sealed for a
 * purpose of its own. See docs/recording-format.md.
 */

import { createCipheriv, createDecipheriv } from 'node:crypto'
import type { Sealer } from '../../shared/cryptography/sealer.ts'
import { GatewayError } from '../../shared/errors.ts'
import { TAG_BYTES } from './container.ts'
import type { AskedFact, FactEvent, ProtectedPart, RecordedEvent } from './events.ts'

type Statement = Extract<FactEvent, { type: 'statement' }>

const NONCE_BYTES = 12

/** A key, and the same as the vault has sealed it. */
export interface SealedKey {
  readonly key: Buffer
  readonly sealed: string
}

export function protectedKeyPurpose(session: string): string {
  return `protected parts of recording ${session}`
}

/** Encrypts protected parts while a session is recorded. */
export class Protector {
  readonly #session: string
  readonly #key: SealedKey
  #begun = false
  #count = 0

  /** `key`: sealed for `protectedKeyPurpose`. */
  constructor(session: string, key: SealedKey) {
    this.#session = session
    this.#key = key
  }

  /** Once for a recording: the event that must stand before the first protected part. */
  begin(): FactEvent | undefined {
    if (this.#begun) return undefined
    this.#begun = true
    return { type: 'protected-key', key: this.#key.sealed }
  }

  /** base64 of nonce, ciphertext and tag. */
  protect(part: ProtectedPart): string {
    return this.protectBytes(Buffer.from(JSON.stringify(part), 'utf8'))
  }

  /** The same of bytes as they are. */
  protectBytes(bytes: Buffer): string {
    const nonce = Buffer.alloc(NONCE_BYTES)
    nonce.writeUIntBE(this.#count++, NONCE_BYTES - 6, 6)
    const cipher = createCipheriv('aes-256-gcm', this.#key.key, nonce).setAAD(Buffer.from(this.#session))
    const ciphertext = cipher.update(bytes)
    return Buffer.concat([nonce, ciphertext, cipher.final(), cipher.getAuthTag()]).toString('base64')
  }
}

/** The events with their protected parts in the place of what was hidden. Throws `RECORDING_DAMAGED`, and what `openBytes` throws. */
export async function* reveal(
  session: string,
  events: AsyncIterable<RecordedEvent>,
  openBytes: Sealer['openBytes'],
): AsyncGenerator<RecordedEvent, void> {
  let key: Buffer | undefined
  for await (const event of events) {
    if (event.type === 'protected-key') key = openBytes(protectedKeyPurpose(session), event.key)
    else if (!('protected' in event) || event.protected === undefined) yield event
    else {
      const { protected: sealed, ...shown } = event
      const bytes = open(session, key, sealed)
      if (shown.type === 'hidden-input') {
        const { channel, at } = shown
        yield { type: 'input', channel, bytes, revealed: true, at }
      } else yield { ...revealed(shown, parse(bytes)), at: event.at }
    }
  }
}

function revealed(fact: FactEvent, part: ProtectedPart): FactEvent {
  switch (fact.type) {
    case 'asked':
      return { ...fact, of: revealed(fact.of, part) as AskedFact }
    case 'parameter':
      return { ...fact, value: part.value ?? fact.value }
    case 'channel-close': {
      const { sha256 } = part
      if (fact.cut === undefined || sha256 === undefined) return fact
      return { ...fact, cut: fact.cut.map(cut => (cut.stream === 'hidden-input' ? { ...cut, sha256 } : cut)) }
    }
    case 'statement':
      return revealedStatement(fact, part)
    default:
      return fact
  }
}

function revealedStatement({ hidden: _, ...statement }: Statement, part: ProtectedPart): Statement {
  const { text, sha256, parameters, message } = part
  const { cut, error } = statement
  return {
    ...statement,
    ...(text === undefined ? {} : { text }),
    ...(cut === undefined || sha256 === undefined ? {} : { cut: { ...cut, sha256 } }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(error === undefined || message === undefined ? {} : { error: { ...error, message } }),
    revealed: true,
  }
}

function open(session: string, key: Buffer | undefined, text: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (key === undefined || bytes.length < NONCE_BYTES + TAG_BYTES) throw damaged()
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES))
  decipher.setAAD(Buffer.from(session)).setAuthTag(bytes.subarray(-TAG_BYTES))
  try {
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
  } catch {
    throw damaged()
  }
}

function parse(bytes: Buffer): ProtectedPart {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    throw damaged()
  }
}

function damaged(): GatewayError {
  return new GatewayError('RECORDING_DAMAGED', 'A protected part of the recording does not decrypt.')
}
