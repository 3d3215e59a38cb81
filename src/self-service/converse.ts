/** Decides how a channel of a login without a target is answered: by a command, or where none is given by what there is to choose from. */

import type { Converse } from '../session/conversation.ts'
import { type RunParts, runCommand } from './run-command.ts'

export function createSelfService(parts: RunParts): Converse {
  return (conversation, login) => runCommand(parts, conversation, login, conversation.command ?? 'targets')
}
