/** `sallyport report separation`: who holds several duties that one person should not hold together. */

import type { Separation } from '../../api/routes/reports.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import type { AddCommands } from '../context.ts'
import { CliError } from '../exit.ts'

export const addReports: AddCommands = (program, context) => {
  const { terminal } = context
  const report = program.command('report').helpCommand(false).description('reports on the rules')
  report
    .command('separation')
    .description('who is several of admin, approver and auditor')
    .addHelpText('after', '\nThe exit code is 1 where somebody is.')
    .action(async () => {
      const answer = await (await context.client()).get<Separation>('/v1/reports/separation')
      const { counts, several } = answer
      if (context.json) terminal.json(answer)
      else {
        const { admin, approver, auditor } = counts
        terminal.line(
          several.length === 0
            ? terminal.style('green', 'Nobody is several of admin, approver and auditor.')
            : terminal.style(
                'red',
                `${several.length} ${several.length === 1 ? 'person is' : 'people are'} several of admin, approver and auditor.`,
              ),
        )
        terminal.line(`In all: admin ${admin}, approver ${approver}, auditor ${auditor}.`)
        if (several.length > 0) {
          terminal.line()
          terminal.table(
            [
              { title: 'PERSON', value: one => one.person, shrinkTo: 10 },
              { title: 'USERS', value: one => one.users.join(', '), shrinkTo: 8, optional: 1 },
              { title: 'DUTY', value: one => one.duty },
              { title: 'BY', value: one => one.by.join('; '), shrinkTo: 16 },
            ],
            several.flatMap(({ person, users, duties }) => duties.map(one => ({ person, users, ...one }))),
            '',
          )
        }
        terminal.note(
          terminal.style('dim', "Whoever can open the owner's socket has every right: the machine says who."),
        )
      }
      if (several.length > 0) throw new CliError(EXIT.no, '')
    })
}
