/** The one error of the command line, which carries an exit code. */

import type { ExitCode } from '../shared/exit-codes.ts'

/** What is wrong (`message`; empty when it has been said), and what to do next (`hint`): at most a line each. */
export class CliError extends Error {
  readonly exit: ExitCode
  readonly hint: string | undefined

  constructor(exit: ExitCode, message: string, hint?: string) {
    super(message)
    this.name = 'CliError'
    this.exit = exit
    this.hint = hint
  }
}
