/** Reads what a program answered: one JSON object on stdout, and an exit code that says the same. */

import { isUtf8 } from 'node:buffer'
import type { Run } from './run-program.ts'

/** What an action may answer. The first means success, which exits with 0; all others exit with 1. */
export const RESULTS = {
  verify: ['works', 'refused', 'unreachable'],
  change: ['changed', 'candidate-refused', 'not-changed', 'uncertain'],
  finish: ['changed', 'not-changed', 'uncertain'],
  tell: ['told', 'not-told'],
} as const

export type Action = keyof typeof RESULTS

export type ProgramAnswer<A extends Action> =
  | { readonly kind: 'answered'; readonly result: (typeof RESULTS)[A][number]; readonly words: string }
  /** It was not started. */
  | { readonly kind: 'not-started'; readonly words: string }
  /** It was started, and what it did is not known. */
  | { readonly kind: 'lost'; readonly words: string }

export function readAnswer<A extends Action>(action: A, run: Run): ProgramAnswer<A> {
  const lost = (why: string) => ({ kind: 'lost', words: `the program's answer is not believed: ${why}` }) as const
  if (run.kind === 'not-started') return { kind: 'not-started', words: run.why }
  if (run.kind === 'killed') return { kind: 'lost', words: `the program was ended: ${run.why}` }
  const { output, code } = run
  if (output.length === 0) return lost(`it wrote nothing to stdout, and exited with ${code}`)
  if (!isUtf8(output)) return lost('what it wrote to stdout is not UTF-8')
  const said = fieldsOf(output.toString('utf8'))
  if (said === undefined) return lost('what it wrote to stdout is not one JSON object with result and words, each once')
  const { result, words } = said
  const known = RESULTS[action] as readonly string[]
  if (!known.includes(result)) return lost(`${action} answers ${known.join(', ')}`)
  const expected = result === known[0] ? 0 : 1
  if (code !== expected) return lost(`it said ${result}, which exits with ${expected}, and exited with ${code}`)
  return { kind: 'answered', result: result as (typeof RESULTS)[A][number], words }
}

const BLANK = '[ \\t\\r\\n]*'
const TEXT = String.raw`"(?:[^"\\\u0000-\u001f]|\\.)*"`
const FIELD = `${BLANK}(${TEXT})${BLANK}:${BLANK}(${TEXT})${BLANK}`
const OBJECT = new RegExp(`^${BLANK}\\{${FIELD}(?:,${FIELD})?\\}${BLANK}$`)

/** Undefined where there is anything else, or a field twice: of which `JSON.parse` would take the last, and somebody else the first. */
function fieldsOf(text: string): { readonly result: string; readonly words: string } | undefined {
  try {
    const [, ...written] = OBJECT.exec(text) ?? []
    const [one, value, other, otherValue] = written.map(each => (each === undefined ? each : String(JSON.parse(each))))
    if (one === 'result' && other === undefined) return { result: value!, words: '' }
    if (one === 'result' && other === 'words') return { result: value!, words: otherValue! }
    if (one === 'words' && other === 'result') return { result: otherValue!, words: value! }
    return undefined
  } catch {
    return undefined
  }
}
