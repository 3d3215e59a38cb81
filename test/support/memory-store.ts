/** Recordings in memory: what a store that is no file system has to do, and no more. */

import type { Markers } from '../../src/recording/store/markers.ts'
import type { RecordingStore } from '../../src/recording/store/recording-store.ts'
import type { AppendableRecording } from '../../src/recording/writing/appendable-recording.ts'
import { GatewayError } from '../../src/shared/errors.ts'

interface Kept {
  bytes: Buffer
  touchedAt: number
}

/** `kept`: by name; what was put aside or cut off has a name of its own. */
export function createMemoryStore(now: () => number) {
  const kept = new Map<string, Kept>()
  const nameOf = (session: string) => `memory/${session}`
  const torn = (session: string) => `${nameOf(session)}.torn`

  function appendable(one: Kept): AppendableRecording {
    const listeners = new Set<() => void>()
    const wake = () => {
      for (const listener of listeners) listener()
    }
    return {
      get length() {
        return one.bytes.length
      },
      async append(bytes) {
        Object.assign(one, { bytes: Buffer.concat([one.bytes, bytes]), touchedAt: now() })
        wake()
      },
      async sync() {},
      async touch() {
        one.touchedAt = now()
      },
      watch(listener) {
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
      wake,
      async close() {},
    }
  }

  const store: RecordingStore = {
    nameOf,
    async create(session, bytes) {
      if (kept.has(nameOf(session))) throw new GatewayError('CONFLICT', 'It is there.')
      const one = { bytes, touchedAt: now() }
      kept.set(nameOf(session), one)
      return appendable(one)
    },
    async untouchedFor(session) {
      const one = kept.get(nameOf(session))
      return one === undefined ? undefined : now() - one.touchedAt
    },
    async open(session) {
      const one = kept.get(nameOf(session))
      if (one === undefined) return undefined
      return {
        size: async () => one.bytes.length,
        readAt: async (offset, length) => one.bytes.subarray(offset, offset + length),
        async *bytesFrom(offset = 0) {
          yield one.bytes.subarray(offset)
        },
        async sealAt(end, seal, size) {
          if (one.bytes.length !== size) throw new GatewayError('CONFLICT', 'It grew.')
          if (one.bytes.length > end) kept.set(torn(session), { bytes: one.bytes.subarray(end), touchedAt: now() })
          one.bytes = Buffer.concat([one.bytes.subarray(0, end), seal])
        },
        async close() {},
      }
    },
    async *read(session) {
      const one = kept.get(nameOf(session))
      if (one === undefined) throw new GatewayError('NOT_FOUND', 'There is no such recording.')
      yield one.bytes
    },
    async putAside(session) {
      kept.set(torn(session), kept.get(nameOf(session))!)
      kept.delete(nameOf(session))
    },
    markers: createMemoryMarkers(),
  }
  return { store, kept, nameOf, torn }
}

function createMemoryMarkers(): Markers {
  const marked = new Map<string, 'made' | 'claimed'>()
  return {
    make: async session => void marked.set(session, 'made'),
    list: async () => Array.from(marked.keys()),
    async claim(session) {
      if (marked.get(session) !== 'made') return false
      marked.set(session, 'claimed')
      return true
    },
    leave: () => undefined,
    release: async session => void marked.set(session, 'made'),
    remove: async session => void marked.delete(session),
  }
}
