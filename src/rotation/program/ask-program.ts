/** Asks a program of the administrator's to do one thing, and gives what it answered, without anything of what it was told. */

import { holdsPartOfSecret } from '../../shared/holds-secret.ts'
import type { Log } from '../../shared/log.ts'
import type { Secret } from '../../shared/secret.ts'
import { printable } from '../../shared/text/printable.ts'
import { secretsOf } from '../../vault/lease.ts'
import { type Action, type ProgramAnswer, RESULTS, readAnswer } from './answer.ts'
import { type ProgramRequest, writeRequest } from './request.ts'
import { type Program, type Run, runProgram } from './run-program.ts'

const MOST_CHARACTERS = 400

/** Never rejects. */
export async function askProgram<A extends Action>(
  program: Program & { readonly name: string },
  request: ProgramRequest & { readonly action: A },
  signal: AbortSignal,
  log: Log,
): Promise<ProgramAnswer<A>> {
  let input: Buffer
  try {
    input = writeRequest(request)
  } catch (error) {
    return { kind: 'not-started', words: (error as Error).message }
  }
  const run = await runProgram(program, input, signal)
  const { credential, current, candidate, as } = request
  const secrets = [credential, current, candidate, as?.material].flatMap(given => (given ? secretsOf(given) : []))
  const answer = readAnswer(request.action, run)
  // All other words are our own.
  const words = answer.kind === 'answered' ? shown(Buffer.from(answer.words), secrets) : answer.words
  const errors = errorsOf(run, secrets)
  if (errors !== '')
    log.warn({ program: program.name, action: request.action, stderr: errors }, 'a program wrote to stderr')
  const also = errors === '' || succeeded(request.action, answer) ? '' : ` (stderr: ${errors})`
  return { ...answer, words: bounded(`${words}${also}`) }
}

function succeeded<A extends Action>(action: A, answer: ProgramAnswer<A>): boolean {
  return answer.kind === 'answered' && answer.result === RESULTS[action][0]
}

function errorsOf(run: Run, secrets: readonly Secret[]): string {
  return run.kind === 'not-started' ? '' : shown(run.errors, secrets)
}

function shown(bytes: Buffer, secrets: readonly Secret[]): string {
  return secrets.some(secret => mayHold(bytes, secret))
    ? 'withheld, as it could hold the credential'
    : bounded(printable(bytes.toString('utf8').trim()))
}

function mayHold(bytes: Buffer, secret: Secret): boolean {
  try {
    return holdsPartOfSecret(bytes, secret.revealBytes())
  } catch {
    // It was erased: whoever asked has given up, and nobody can tell any more.
    return true
  }
}

function bounded(text: string): string {
  const characters = [...text]
  return characters.length <= MOST_CHARACTERS ? text : `${characters.slice(0, MOST_CHARACTERS).join('')}…`
}
