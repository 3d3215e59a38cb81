/** What recordings are given in tests: real keys and real encryption, without a database. */

import { createCipheriv, createDecipheriv, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { join } from 'node:path'
import { isStream, type RecordedEvent, type RecordingSubject } from '../../src/recording/format/events.ts'
import { createFolderStore } from '../../src/recording/store/folder-store.ts'
import { createRecordings } from '../../src/recording/store/recordings.ts'
import type { Clock } from '../../src/shared/clock.ts'
import type { Sealer } from '../../src/shared/cryptography/sealer.ts'
import type { Signer } from '../../src/shared/cryptography/signer.ts'
import { newId } from '../../src/shared/ids.ts'

export function createTestSigner(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  return {
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    sign: bytes => sign(null, bytes, privateKey),
  }
}

export function createTestSealer(key = randomBytes(32)): Sealer {
  return {
    sealBytes(purpose, bytes) {
      const nonce = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(purpose))
      return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]).toString('base64')
    },
    openBytes(purpose, sealed) {
      const bytes = Buffer.from(sealed, 'base64')
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12), { authTagLength: 16 })
      decipher.setAAD(Buffer.from(purpose)).setAuthTag(bytes.subarray(-16))
      return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()])
    },
  }
}

export interface TestClock extends Clock {
  move(milliseconds: number): void
}

export function createTestClock(start = Date.UTC(2026, 10, 21, 12, 3, 4)): TestClock {
  let now = start
  return {
    now: () => now,
    move(milliseconds) {
      now += milliseconds
    },
  }
}

export function testSubject(startedAt = Date.UTC(2026, 10, 21, 12, 3, 4)): RecordingSubject {
  return {
    session: newId('ses', startedAt),
    protocol: 'ssh',
    user: 'alice',
    account: 'root',
    target: 'web-01',
    role: 'web-admins',
    source: '192.0.2.7',
    gateway: 'gw_test',
    startedAt,
  }
}

/** A folder of recordings with all that it needs; `fileOf` gives absolute paths. */
export function createTestRecordings(
  folder: string,
  { clock = createTestClock(), seal = createTestSealer(), signer = createTestSigner() } = {},
) {
  const recordings = createRecordings({ recordingStore: createFolderStore({ folder, clock }), seal, signer, clock })
  return { recordings, clock, seal, signer, pathOf: (session: string) => join(folder, recordings.fileOf({ session })) }
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** An event with its bytes as latin1 text, easy to compare. */
export function readable(event: RecordedEvent): object {
  return isStream(event) ? { ...event, bytes: event.bytes.toString('latin1') } : event
}
