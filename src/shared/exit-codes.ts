/** How a command ends, on the command line and by ssh alike. */

/** Documented in `sallyport --help`, docs/cli.md and docs/self-service.md. */
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
