/** How a command ends: the exit codes, and the one error that carries one. */

/** Documented in `sallyport --help` and docs/cli.md. */
export const EXIT = {
  ok: 0,
  /** The answer is no: refused, not found, not valid, not verified. */
  no: 1,
  usage: 2,
  unreachable: 3,
  notPermitted: 4,
  broken: 5,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

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
