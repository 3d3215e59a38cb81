/** The commands that there are, in the order of `help`. A new one is a file in `commands/` and a line here. */

import type { Command } from './command.ts'
import { explain } from './commands/explain.ts'
import { helpFor } from './commands/help.ts'
import { keys } from './commands/keys.ts'
import { sessions } from './commands/sessions.ts'
import { targets } from './commands/targets.ts'
import { tokens } from './commands/tokens.ts'
import { whoami } from './commands/whoami.ts'

const ALL: readonly Command[] = [whoami, targets, explain, sessions, keys, tokens]

export const COMMANDS: readonly Command[] = [helpFor(ALL), ...ALL]
