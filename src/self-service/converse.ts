/** Decides how a channel of a login without a target is answered: by a command, or where none is given by what there is to choose from. */

import type { Conversation, Converse } from '../session/conversation.ts'
import type { Login } from '../session/run-login.ts'
import { EXIT, type ExitCode } from '../shared/exit-codes.ts'
import { runMenu } from './menu/menu.ts'
import { runNumberedList } from './menu/numbered-list.ts'
import { complain, type RunParts, runCommand } from './run-command.ts'

/** Terminals that cannot place their cursor, or do not say what they are. */
const SIMPLE = new Set(['', 'dumb', 'unknown'])

export function createSelfService(parts: RunParts): Converse {
  return (conversation, login) => {
    const { command, terminal } = conversation
    if (command !== undefined) return runCommand(parts, conversation, login, command)
    if (terminal === undefined) return listForPrograms(parts, conversation, login)
    return choose(parts, conversation, login, SIMPLE.has(terminal.type) ? 'list' : 'menu')
  }
}

/** Without a terminal nobody can choose. */
async function listForPrograms(parts: RunParts, conversation: Conversation, login: Login): Promise<ExitCode> {
  const status = await runCommand(parts, conversation, login, 'targets')
  const { user } = login.who.principal
  await conversation.complain(`A session: ssh ${user}+account+target@gateway. Commands: ssh ${user}@gateway help\n`)
  return status
}

async function choose(
  parts: RunParts,
  conversation: Conversation,
  login: Login,
  what: 'menu' | 'list',
): Promise<ExitCode> {
  const { audit, metrics } = parts
  const { id: session, who } = login
  let status: ExitCode
  try {
    await audit.append({ kind: 'self-service.opened', actor: who.principal.user, session, data: { what } })
    status = await (what === 'list' ? runNumberedList : runMenu)(parts, conversation, login)
  } catch (error) {
    status = await complain(parts, conversation, login, error)
  }
  metrics.selfService.inc({ what, result: status === EXIT.ok ? 'ok' : 'failed' })
  return status
}
