/** Limits how long somebody else's code may take: a connector that hangs must not hold up a rotation. */

/**
 * What `act` resolves with, or `late` when it has not by then, or when `signal` aborts; its own signal is aborted then. What it throws is
 * turned to a value by `broken`. Never rejects.
 */
export async function withinLimit<T>(
  limitMs: number,
  signal: AbortSignal,
  act: (signal: AbortSignal) => Promise<T>,
  { late, broken }: { late: T; broken: (error: unknown) => T },
): Promise<T> {
  const limit = new AbortController()
  const over = Promise.withResolvers<T>()
  const stop = () => {
    over.resolve(late)
    limit.abort(signal.reason)
  }
  const timer = setTimeout(stop, limitMs)
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([over.promise, Promise.try(act, limit.signal).catch(broken)])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
}
