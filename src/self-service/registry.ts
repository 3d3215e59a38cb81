/** The commands that there are, in the order of `help`. A new one is a file in `commands/` and a line here. */

import type { Command } from './command.ts'
import { checkin } from './commands/checkin.ts'
import { checkout } from './commands/checkout.ts'
import { checkouts } from './commands/checkouts.ts'
import { approve, deny } from './commands/decide.ts'
import { explain } from './commands/explain.ts'
import { extend } from './commands/extend.ts'
import { follow } from './commands/follow.ts'
import { helpFor } from './commands/help.ts'
import { keys } from './commands/keys.ts'
import { notifications } from './commands/notifications.ts'
import { proposal, proposals } from './commands/proposals.ts'
import { request } from './commands/request.ts'
import { requests } from './commands/requests.ts'
import { sessions } from './commands/sessions.ts'
import { targets } from './commands/targets.ts'
import { tokens } from './commands/tokens.ts'
import { whoami } from './commands/whoami.ts'

const ALL: readonly Command[] = [
  whoami,
  targets,
  explain,
  checkout,
  checkin,
  extend,
  checkouts,
  request,
  requests,
  approve,
  deny,
  proposals,
  proposal,
  sessions,
  follow,
  notifications,
  keys,
  tokens,
]

export const COMMANDS: readonly Command[] = [helpFor(ALL), ...ALL]
