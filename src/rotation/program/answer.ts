/** Reads what a program answered: one JSON object on stdout, and an exit code that says the same. */

import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
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

const answerSchema = z.strictObject({ result: z.string(), words: z.string().default('') })

export function readAnswer<A extends Action>(action: A, run: Run): ProgramAnswer<A> {
  const lost = (why: string) => ({ kind: 'lost', words: `the program's answer is not believed: ${why}` }) as const
  if (run.kind === 'not-started') return { kind: 'not-started', words: run.why }
  if (run.kind === 'killed') return { kind: 'lost', words: `the program was ended: ${run.why}` }
  const { output, code } = run
  if (output.length === 0) return lost(`it wrote nothing to stdout, and exited with ${code}`)
  if (!isUtf8(output)) return lost('what it wrote to stdout is not UTF-8')
  const answer = answerSchema.safeParse(parsed(output.toString('utf8')))
  if (!answer.success) return lost('what it wrote to stdout is not one JSON object with result and words')
  const { result, words } = answer.data
  const known = RESULTS[action] as readonly string[]
  if (!known.includes(result)) return lost(`${action} answers ${known.join(', ')}`)
  const expected = result === known[0] ? 0 : 1
  if (code !== expected) return lost(`it said ${result}, which exits with ${expected}, and exited with ${code}`)
  return { kind: 'answered', result: result as (typeof RESULTS)[A][number], words }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
