/** Decides how a channel of a login without a target is answered: by a command, or where none is given by what there is to choose from. */

import type { Conversation, Converse } from '../session/conversation.ts'
import type { Login } from '../session/run-login.ts'
import { EXIT, type ExitCode } from '../shared/exit-codes.ts'
import { CommandError } from './command.ts'
import { createLimitPerUser } from './limit-per-user.ts'
import { runMenu } from './menu/menu.ts'
import { runNumberedList } from './menu/numbered-list.ts'
import { complain, type RunParts, runCommand } from './run-command.ts'

/** Terminals that cannot place their cursor, or do not say what they are. */
const SIMPLE = new Set(['', 'dumb', 'unknown'])

/** Of one user: commands that run, and wait, are short; menus stay open. */
const MOST_COMMANDS = 8
const MOST_COMMANDS_WAITING = 64
const MOST_MENUS = 64
const WAITS = /^\s*(checkout\s(.*\s)?--wait|follow\s.*\S)(\s|$)/s

/** `partsOf`: what answers the person of a login. */
export function createSelfService(partsOf: (login: Login) => RunParts): Converse {
  const withCommand = createLimitPerUser(MOST_COMMANDS, MOST_COMMANDS_WAITING)
  const withMenu = createLimitPerUser(MOST_MENUS, 0)
  return (conversation, login) => {
    const { command, terminal } = conversation
    const parts = partsOf(login)
    const { user } = login.who.principal
    const answer = () => {
      // What waits until it is its turn, or watches, stays open, as a menu does.
      if (command !== undefined && WAITS.test(command))
        return withMenu(user, () => runCommand(parts, conversation, login, command))
      if (command !== undefined) return withCommand(user, () => runCommand(parts, conversation, login, command))
      if (terminal === undefined) return withCommand(user, () => listForPrograms(parts, conversation, login))
      const what = SIMPLE.has(terminal.type) ? 'list' : 'menu'
      return withMenu(user, () => choose(parts, conversation, login, what))
    }
    // What answers never rejects: there was no room for it.
    return answer().catch(() => {
      login.refused('self-service', 'too many commands or menus of the user are open')
      const why = 'Too many of your commands or menus are open at this gateway.'
      return complain(parts, conversation, login, new CommandError(EXIT.no, why, 'Close some, and try again.'))
    })
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
