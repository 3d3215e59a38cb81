/** `sallyport start`: serves until it is told to stop. */

import type { AddCommands } from './context.ts'

export const addStart: AddCommands = (program, context) => {
  program
    .command('start')
    .description('serve, until SIGTERM or Ctrl-C')
    .addHelpText(
      'after',
      `
  SIGTERM, Ctrl-C  let open sessions end (shutdown.drain in the configuration);
                   a second one ends them at once
  SIGHUP           opens the audit file again, after log rotation`,
    )
    .action(async () => {
      const { signals } = context.terminal
      const config = await context.config()
      // Only here: every other command starts without the gateway's libraries.
      const { startGateway } = await import('../gateway.ts')
      const gateway = await startGateway({ config })
      const { log } = gateway.parts
      const stopped = Promise.withResolvers<void>()
      // A second call of `stop` ends the waiting for open sessions.
      const stop = () => stopped.resolve(gateway.stop())
      const reopen = () => gateway.reopen().catch(error => log.error({ err: error }, 'the audit file cannot be opened'))
      // A promise that nobody waited for belongs to one connection: the others must not end with it.
      process.on('unhandledRejection', error => log.error({ err: error }, 'a step failed that nobody waited for'))
      signals.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', reopen)
      await stopped.promise
    })
}
