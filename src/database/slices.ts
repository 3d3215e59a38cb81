/** Parts of a long list, one for each statement: an engine takes only so many values with one. */

const MOST = 500

/** In their order; none of nothing. */
export function* slices<T>(all: readonly T[], most = MOST): Generator<T[]> {
  for (let from = 0; from < all.length; from += most) yield all.slice(from, from + most)
}
