/** `sallyport start`: serves until it is signalled to stop. */

import { url as debuggerUrl } from 'node:inspector'
import type { Gateway } from '../../gateway/start-gateway.ts'
import { type ProtocolName, protocols } from '../../protocols/registered.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { logDestination } from '../../shared/log-destination.ts'
import type { AddCommands, Context } from '../context.ts'
import { CliError } from '../exit.ts'
import { nextStep } from '../next-step.ts'

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
      const stopped = Promise.withResolvers<void>()
      let gateway: Gateway | undefined
      let told = false
      // Heard from the first moment on: the first process of a container does not end by a signal that it does not hear.
      const stop = () => {
        // A second call of the gateway's `stop` ends the waiting for open sessions.
        if (gateway !== undefined) stopped.resolve(gateway.stop())
        else if (told) process.exit(EXIT.broken)
        told = true
      }
      const reopen = () =>
        gateway?.reopen().catch(error => gateway?.parts.log.error({ err: error }, 'the audit file cannot be opened'))
      signals.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', reopen)

      refuseDebugger()
      const config = await context.config()
      // Only here: every other command starts without the gateway's libraries.
      const [{ startGateway }, { createLog }] = await Promise.all([
        import('../../gateway/start-gateway.ts'),
        import('../../shared/log.ts'),
      ])
      const log = createLog(config.log.level, await logDestination())
      gateway = await startGateway({ config, log }).catch(error => {
        // A signal to the whole group of processes may end a worker before it hears signals: nothing is wrong then.
        if (told) return undefined
        throw error
      })
      if (gateway === undefined) return
      // A promise that nobody waited for belongs to one connection: the others must not end with it.
      process.on('unhandledRejection', error => log.error({ err: error }, 'a step failed that nobody waited for'))
      if (told) stop()
      else if (context.terminal.width !== undefined) await welcome(context, gateway)
      await stopped.promise
    })
}

/** For somebody who started it by hand: where it is reached, and what comes next in another terminal. */
async function welcome(context: Context, { api, parts, ...gateway }: Gateway): Promise<void> {
  const { terminal } = context
  const next =
    (await parts.targets.list()).length === 0
      ? ['apply -f config/resources --dry-run', 'apply -f config/resources']
      : ['session list', 'explain USER ACCOUNT@TARGET']
  terminal.line()
  terminal.facts([
    ...protocols().map(({ name, title }) => {
      const address = gateway[name as ProtocolName]
      return [title, address && `${address.host}:${address.port}`] as const
    }),
    ['API', api.url],
    ['next', 'in another terminal:'],
    ...next.map(command => ['', nextStep(context, command)] as const),
    ['stop', 'Ctrl-C'],
  ])
  terminal.line()
}

/** Its port is open to everybody on the machine, and shows all memory: the vault key, and what is lent. */
function refuseDebugger(): void {
  if (debuggerUrl() === undefined) return
  throw new CliError(
    EXIT.usage,
    "Node's debugger is open in this process, and would show the vault key; start without --inspect (see NODE_OPTIONS).",
  )
}
