/** `sallyport doctor`: does everything that is kept of sessions fit together? */

import { createInterface } from 'node:readline'
import type { DoctorLine } from '../../api/routes/doctor.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { printable } from '../../shared/text/printable.ts'
import type { AddCommands } from '../context.ts'
import { CliError } from '../exit.ts'
import { parseTime } from '../terminal/time.ts'

type FindingLine = DoctorLine & { type: 'finding' }

export const addDoctor: AddCommands = (program, context) => {
  const { terminal } = context
  program
    .command('doctor')
    .description(
      'name what is missing, doubled, cut, changed or foreign among sessions, leases, recordings and audit log',
    )
    .option('--full', 'also read every recording and the whole audit log')
    .option('--since <time>', 'only sessions since: 30d, 2026-11-21, 2026-11-21T18:00')
    .addHelpText(
      'after',
      `
Each finding is a line: code, session, what is wrong; then what to do next.
The exit code is 1 where there is one. Sessions that are open are none, nor is
what is on its way.`,
    )
    .action(async ({ full, since }: { full?: boolean; since?: string }) => {
      const stream = await (await context.client()).stream('/v1/doctor', {
        since: since && parseTime(since, '--since', context.now()),
        full: full === true ? 'true' : undefined,
      })
      const found: FindingLine[] = []
      let end: (DoctorLine & { type: 'end' }) | undefined
      // What was cut has no end.
      stream.on('error', () => undefined)
      for await (const text of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
        const line = JSON.parse(text) as DoctorLine
        if (line.type === 'end') end = line
        else if (line.type === 'begin') continue
        else if (context.json) found.push(line)
        else {
          terminal.line(
            `${terminal.style('red', line.code)}  ${printable(line.session ?? '-')}  ${printable(line.what)}`,
          )
          terminal.line(terminal.style('dim', `      ${line.next}`))
        }
      }
      if (end === undefined)
        throw new CliError(EXIT.broken, 'The answer came only in part: the gateway stopped sending it.')
      if (context.json) {
        const { type: _, ...report } = end
        terminal.json({ ...report, found: found.map(({ type: _, ...finding }) => finding) })
      } else {
        const read = full === true ? `, ${counted(end.recordingsRead, 'recording')} read` : ''
        const word = end.findings === 0 ? terminal.style('green', 'well') : counted(end.findings, 'finding')
        terminal.line(`${word}: ${counted(end.sessions, 'session')}${read}.`)
      }
      if (end.findings > 0) throw new CliError(EXIT.no, '')
    })
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
