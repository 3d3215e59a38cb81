/** `sallyport role`: what the holders of a role may do. */

import type { RoleAnswer } from '../../api/routes/roles.ts'
import { differences } from '../../resources/difference.ts'
import type { AddCommands } from '../context.ts'
import { selectorOf } from '../selector.ts'
import { formatDuration } from '../terminal/time.ts'

export const addRoles: AddCommands = (program, context) => {
  const { terminal } = context
  const role = program.command('role').helpCommand(false).description('what the holders of a role may do')

  role
    .command('list')
    .description('all roles')
    .action(async () => {
      const answer = await (await context.client()).get<{ roles: RoleAnswer[] }>('/v1/roles')
      if (context.json) return terminal.json(answer)
      terminal.table(
        [
          { title: 'ROLE', value: role => role.name, shrinkTo: 10 },
          { title: 'TARGETS', value: role => selectorOf(role.targets), shrinkTo: 12 },
          { title: 'ACCOUNTS', value: role => selectorOf(role.accounts), shrinkTo: 10 },
          { title: 'CHANNELS', value: role => role.channels.join(','), shrinkTo: 10, optional: 1 },
          { title: 'AT MOST', value: role => formatDuration(role.maxSession), align: 'right', optional: 2 },
        ],
        answer.roles,
        'There are no roles. Describe them in files, then: sallyport apply -f FOLDER',
      )
    })

  role
    .command('show')
    .description('one role')
    .argument('<name>')
    .action(async (name: string) => {
      const role = await (await context.client()).get<RoleAnswer>(`/v1/roles/${encodeURIComponent(name)}`)
      if (context.json) return terminal.json(role)
      const { hours, idle, sources, factors } = role
      terminal.facts([
        ['role', role.name],
        ['description', role.description],
        ['targets', selectorOf(role.targets)],
        ['accounts', selectorOf(role.accounts)],
        ['protocols', role.protocols.join(', ')],
        ['databases', role.databases?.join(', ')],
        ['channels', role.channels.join(', ')],
        ['checks out', checkOutOf(role)],
        ['on request', role.onRequest && linesOf(role.onRequest)],
        ['at the API', role.api?.join(', ')],
        ['hours', hours && `${hours.days.join(', ')} ${hours.from} to ${hours.to} ${hours.zone}`],
        ['from', sources?.join(', ')],
        ['factors', factors?.map(list => list.join(' + ')).join(', or ') ?? "the gateway's default"],
        ['at most', formatDuration(role.maxSession)],
        ['idle', idle === undefined ? undefined : formatDuration(idle)],
        ['remembers factor', role.rememberFactor > 0 ? formatDuration(role.rememberFactor) : undefined],
        ['records input', role.recordInput ? 'yes' : undefined],
        ["records commands' input", role.recordExecInput ? undefined : 'no'],
        ["keeps commands' output", role.execOutputLimit === 'none' ? 'all of it' : role.execOutputLimit],
        ['recording', role.recording],
      ])
    })
}

/** `in sessions and shown, 8h at most, told who has it` */
function checkOutOf({ checkOut }: RoleAnswer): string | undefined {
  if (checkOut === undefined) return undefined
  const { ways, maxTime, seeHolder } = checkOut
  const how = ways.map(way => (way === 'inject' ? 'in sessions' : 'shown')).join(' and ')
  return `${how}, ${formatDuration(maxTime)} at most${seeHolder ? ', told who has it' : ''}`
}

/** As `apply` shows it. */
function linesOf(value: object): string {
  return differences({}, value)
    .map(({ path, after }) => `${path} ${after}`)
    .join('; ')
}
