/** A mutex for each key. */

export type WithKeyLock = <T>(key: string, work: () => Promise<T>) => Promise<T>

/** Runs the operations of one key one after the other, in the order in which they came. */
export function createKeyedMutex(): WithKeyLock {
  const last = new Map<string, Promise<void>>()
  return async (key, work) => {
    const result = (last.get(key) ?? Promise.resolve()).then(work)
    const settled = result.then(
      () => undefined,
      () => undefined,
    )
    last.set(key, settled)
    try {
      return await result
    } finally {
      if (last.get(key) === settled) last.delete(key)
    }
  }
}
