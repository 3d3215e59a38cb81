/** `sallyport health`: is the gateway ready? */

import type { Health } from '../../api/routes/health.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import type { AddCommands } from '../context.ts'
import { CliError } from '../exit.ts'

export const addHealth: AddCommands = (program, context) => {
  const { terminal } = context
  program
    .command('health')
    .description('is the gateway ready for work?')
    .option(
      '--live',
      'only whether it answers: what to end it by (not ready, as without Redis, its sessions still go on)',
    )
    .action(async ({ live = false }: { live?: boolean }) => {
      if (live) {
        const { status } = await (await context.client()).raw('/healthz/live')
        if (status !== 200) throw new CliError(EXIT.broken, `Not a gateway: HTTP status ${status}.`)
        return context.json ? terminal.json({ status: 'live' }) : terminal.facts([['gateway', 'live']])
      }
      const { status, body } = await (await context.client()).raw('/healthz')
      if (status !== 200 && status !== 503) throw new CliError(EXIT.broken, `Not a gateway: HTTP status ${status}.`)
      const health = JSON.parse(body) as Health
      if (context.json) terminal.json(health)
      else {
        terminal.facts([
          ['gateway', `${health.status}, version ${health.version}`],
          ['sessions', `${health.sessions} open`],
          ['database', health.checks.database],
          ['cluster', health.checks.cluster],
          ['recordings', health.checks.recordings],
          ['workers', health.checks.workers],
          ['clock', clockText(health.clock)],
          ['settings', settingsText(health.settings)],
        ])
      }
      if (health.status !== 'ready') throw new CliError(EXIT.no, `The gateway is ${health.status}.`)
    })
}

/** Not of a gateway of before. */
function settingsText({ differs }: Health['settings'] = { differs: [] }): string {
  return differs.length === 0 ? 'ok' : `another gateway of the store has otherwise: ${differs.join(', ')}`
}

function clockText({ differs, jumps }: Health['clock']): string {
  const wrong = differs.length === 0 ? 'ok' : `differs from: ${differs.join(', ')}`
  return jumps === 0 ? wrong : `${wrong}, was set ${jumps === 1 ? 'once' : `${jumps} times`} since the start`
}
