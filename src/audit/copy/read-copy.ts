/** Reads one file of the JSON-lines copy: each line by itself, its hash and its signature. Relations between lines are verified elsewhere. */

import type { KeyObject } from 'node:crypto'
import { type AuditRow, checkAlone } from '../chain/chain.ts'
import { formatLine, parseLine } from './line.ts'

export interface CopyLine {
  readonly text: string
  /** From 1. */
  readonly number: number
  /** False for a last line without a newline. */
  readonly whole: boolean
}

/** A file of the copy: the sinks write it, and rotation cuts it. */
export interface Copy {
  readonly name: string
  readonly lines: Iterable<CopyLine> | AsyncIterable<CopyLine>
}

/** Where a line stands. */
export interface LinePosition {
  readonly file: string
  readonly line: number
}

export type CopyPart =
  | ({ readonly kind: 'event'; readonly row: AuditRow } & LinePosition)
  /** `seq` where the line still says which event it was. */
  | ({
      readonly kind: 'bad'
      readonly problem: LineProblem
      readonly message: string
      readonly seq: number
    } & LinePosition)
  /** The last line, which was never finished: its writer stopped there, and wrote it again elsewhere. */
  | ({ readonly kind: 'torn' } & LinePosition)

export type LineProblem = 'unreadable' | 'changed' | 'bad-signature'

/** Signatures are checked off the main thread, so many at a time. */
const BATCH = 64

export async function* readCopy({ name, lines }: Copy, publicKey: KeyObject): AsyncGenerator<CopyPart, void> {
  let batch: Promise<CopyPart>[] = []
  for await (const line of lines) {
    const text = line.text.trim()
    if (text === '') continue
    batch.push(check(text, line, name, publicKey))
    if (batch.length < BATCH) continue
    yield* await Promise.all(batch)
    batch = []
  }
  yield* await Promise.all(batch)
}

async function check(text: string, { number, whole }: CopyLine, file: string, publicKey: KeyObject): Promise<CopyPart> {
  const place = { file, line: number }
  const row = parseLine(text)
  if (row === undefined) {
    if (!whole) return { kind: 'torn', ...place }
    const seq = Number(/^\{"seq":(\d{1,15}),/.exec(text)?.[1] ?? 0)
    return { kind: 'bad', ...place, problem: 'unreadable', message: 'it is not an audit event', seq }
  }
  const broken = await checkAlone(row, publicKey)
  if (broken !== undefined) {
    return { kind: 'bad', ...place, problem: broken.problem as LineProblem, message: broken.message, seq: row.seq }
  }
  // What is signed is whole, but something was added around it, or written otherwise.
  if (formatLine(row) !== text) {
    return {
      kind: 'bad',
      ...place,
      problem: 'changed',
      message: `event ${row.seq} is not as it was written`,
      seq: row.seq,
    }
  }
  return { kind: 'event', row, ...place }
}
