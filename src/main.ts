/** Where the process begins: the command line in, signals through, an exit code out. */

import { runCli } from './cli/program.ts'

// A reader that has seen enough (`sallyport session list | head`) is no error.
process.stdout.on('error', error => {
  if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(0)
  throw error
})

const { stdin, stdout, stderr, env } = process
process.exitCode = await runCli(process.argv.slice(2), { stdin, stdout, stderr, env, signals: process })
