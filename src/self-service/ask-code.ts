/** Asks for a one-time code of this moment: the one of the login does not count. */

import { EXIT } from '../shared/exit-codes.ts'
import { Secret } from '../shared/secret.ts'
import { askLine } from './ask-line.ts'
import { type Call, CommandError } from './command.ts'

/** `otherwise`: what has not happened without it. */
export async function askCode({ conversation }: Pick<Call, 'conversation'>, otherwise: string): Promise<Secret> {
  const typed = await askLine(conversation, 'One-time code: ', false)
  if (typed === undefined || typed === '') throw new CommandError(EXIT.no, `No code was given; ${otherwise}.`)
  return new Secret(typed)
}
