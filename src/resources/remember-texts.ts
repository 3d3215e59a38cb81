/** What texts said that were read before: whoever applies the same files every hour has only those read in which something is new. */

import { createHash } from 'node:crypto'
import { deserialize, serialize } from 'node:v8'
import { BoundedMap } from '../shared/bounded-map.ts'

/** Of all that is remembered; what was asked for the longest ago goes first. As much as one request may bring. */
const MOST_BYTES = 16 * 1024 * 1024

export interface RememberedTexts<T> {
  /** What this very text says. Nobody else has the same objects. */
  get(text: string): T | undefined
  set(text: string, said: T): void
}

/** Plain values (V8's serialization), each as one piece of bytes: many small objects would cost the garbage collector more than they save. */
export function rememberTexts<T>(mostBytes = MOST_BYTES): RememberedTexts<T> {
  const known = new BoundedMap<Buffer>(mostBytes, packed => packed.length)
  return {
    get(text) {
      const key = keyOf(text)
      const packed = known.get(key)
      if (packed === undefined) return undefined
      known.set(key, packed)
      return deserialize(packed) as T
    },
    set: (text, said) => known.set(keyOf(text), serialize(said)),
  }
}

/** Of its UTF-16: in UTF-8, all halves of surrogate pairs are alike. */
function keyOf(text: string): string {
  return createHash('sha256').update(Buffer.from(text, 'utf16le')).digest('base64')
}
