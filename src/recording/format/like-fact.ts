/**
 * A fact that is like the one before it in its batch stands there as what differs: the statements of a session mostly are. It makes
 * small batches as small as packing them would, and costs a hundredth of that.
 */

/** A longer fact stands whole, and none refers to it. A multiple of four. */
const MOST_BYTES = 1024
/** Less in common is not worth its numbers. */
const WORTH_BYTES = 16

/** So many characters at the beginning and at the end are those of the fact before. */
export interface Likeness {
  readonly head: number
  readonly tail: number
}

/** Whether it may refer to the fact before it, and the next one to this one, of so many bytes: each of its characters is a byte. */
export function mayBeLike(json: string, bytes: number): boolean {
  return bytes <= MOST_BYTES && bytes === json.length
}

/** The two facts that are being compared, four bytes at once: a third of the time of their characters one by one, measured. */
const beforeWords = new Int32Array(MOST_BYTES / 4)
const factWords = new Int32Array(MOST_BYTES / 4)
const beforeBytes = Buffer.from(beforeWords.buffer)
const factBytes = Buffer.from(factWords.buffer)

/** Of two facts that {@link mayBeLike} took; undefined where they have too little in common. */
export function likeness(before: string, json: string): Likeness | undefined {
  const most = Math.min(before.length, json.length)
  if (most < WORTH_BYTES) return undefined
  beforeBytes.write(before, 'latin1')
  factBytes.write(json, 'latin1')
  const words = most >> 2
  let word = 0
  while (word < words && beforeWords[word] === factWords[word]) word++
  let head = word << 2
  while (head < most && beforeBytes[head] === factBytes[head]) head++
  let tail = 0
  let last = json.length - 1
  for (let at = before.length - 1; head + tail < most && beforeBytes[at] === factBytes[last]; at--) {
    tail++
    last--
  }
  return head + tail < WORTH_BYTES ? undefined : { head, tail }
}

/** The whole fact again; undefined where no writer can have made that. */
export function wholeFact(before: Buffer, { head, tail }: Likeness, middle: Buffer): Buffer | undefined {
  if (before.length > MOST_BYTES || head + tail > before.length) return undefined
  return Buffer.concat([before.subarray(0, head), middle, before.subarray(before.length - tail)])
}
