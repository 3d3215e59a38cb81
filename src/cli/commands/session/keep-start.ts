/** A stream that can be read again from its start without asking for it again, as long as it is not too long. */

/**
 * Reads up to `limit` bytes ahead. What ends by then is kept, and each call gives it again; of what is longer, the first call
 * gives the stream that was begun, and each later one a new one.
 */
export async function keepStart(
  open: () => Promise<AsyncIterable<Buffer>>,
  limit: number,
): Promise<() => Promise<AsyncIterable<Buffer>>> {
  const chunks = (await open())[Symbol.asyncIterator]()
  const kept: Buffer[] = []
  let size = 0
  let ended = false
  while (size <= limit && !ended) {
    const { done, value } = await chunks.next()
    if (done === true) ended = true
    else {
      kept.push(value)
      size += value.length
    }
  }
  if (ended) return async () => iterate(kept)
  let first = true
  return async () => {
    if (!first) return open()
    first = false
    return chain(kept, chunks)
  }
}

async function* iterate(kept: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* kept
}

async function* chain(kept: Buffer[], rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* kept.splice(0)
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
  } finally {
    await rest.return?.()
  }
}
