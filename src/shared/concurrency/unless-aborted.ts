/** Waits for work that nobody may wait for to its end. */

/** What comes of the work; `otherwise` once the signal aborts: what comes of it then is nobody's. */
export async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>, otherwise: T): Promise<T> {
  const aborted = Promise.withResolvers<T>()
  const stop = () => aborted.resolve(otherwise)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    return await Promise.race([aborted.promise, work])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
