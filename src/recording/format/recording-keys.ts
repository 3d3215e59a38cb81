/** The keys of one recording: they are made where the vault's key is, and each is in the file as the vault has sealed it. */

import { randomBytes } from 'node:crypto'
import type { Sealer } from '../../shared/cryptography/sealer.ts'
import { dataKeyPurpose, KEY_BYTES } from './container.ts'
import { protectedKeyPurpose, type SealedKey } from './protected-part.ts'

export interface RecordingKeys {
  /** Of the frames. */
  readonly data: SealedKey
  /** Of what is not shown to everybody who may read the recording. */
  readonly protected: SealedKey
}

export function makeRecordingKeys(session: string, { sealBytes }: Pick<Sealer, 'sealBytes'>): RecordingKeys {
  const make = (purpose: string): SealedKey => {
    const key = randomBytes(KEY_BYTES)
    return { key, sealed: sealBytes(purpose, key) }
  }
  return { data: make(dataKeyPurpose(session)), protected: make(protectedKeyPurpose(session)) }
}
