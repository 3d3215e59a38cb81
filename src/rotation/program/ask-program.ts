/** Asks a program of the administrator's to do one thing, and gives what it answered, without anything of what it was told. */

import type { Log } from '../../shared/log.ts'
import { mayShareSecret } from '../../shared/text/shares-secret.ts'
import { WITHHELD, withoutSecrets } from '../../shared/text/without-secrets.ts'
import { secretsOf } from '../../vault/lease.ts'
import { type Action, type ProgramAnswer, RESULTS, readAnswer } from './answer.ts'
import { type ProgramRequest, writeRequest } from './request.ts'
import { type Program, runProgram } from './run-program.ts'

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
  const { credential, current, candidate, as, opened = [] } = request
  const secrets = [credential, current, candidate, as?.material]
    .flatMap(given => (given ? secretsOf(given) : []))
    .concat(opened)
  const answer = readAnswer(request.action, run)
  const said = answer.kind === 'answered' ? answer.words : ''
  const errors = run.kind === 'not-started' ? '' : run.errors.toString('utf8')
  // Together: what it knows may be cut in two.
  const withheld = mayShareSecret(`${said}\n${errors}`, secrets)
  const shown = (text: string) => (withheld && text !== '' ? WITHHELD : withoutSecrets(text, secrets))
  const [words, stderr] = [answer.kind === 'answered' ? shown(said) : answer.words, shown(errors)]
  if (stderr !== '') log.warn({ program: program.name, action: request.action, stderr }, 'a program wrote to stderr')
  const also = stderr === '' || succeeded(request.action, answer) ? '' : ` (stderr: ${stderr})`
  return { ...answer, words: `${words}${also}`.trim() }
}

function succeeded<A extends Action>(action: A, answer: ProgramAnswer<A>): boolean {
  return answer.kind === 'answered' && answer.result === RESULTS[action][0]
}
