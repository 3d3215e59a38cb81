import { EXIT } from '../../shared/exit-codes.ts'
import { formatFacts } from '../../shared/text/table.ts'
import type { Command } from '../command.ts'
import { USUAL_WIDTH, wrapped } from '../usage.ts'

/** `commands`: the others. */
export function helpFor(commands: readonly Command[]): Command {
  return {
    name: 'help',
    summary: 'what there is to ask',
    usage: '',
    words: { least: 0, most: 0 },
    async run({ person, out }) {
      const all = commands.map(({ name, summary, usage }) => ({ name, usage, summary }))
      await out.show({ commands: all }, () => [
        `ssh ${person.user}@gateway COMMAND, each also with --json; without a command, a menu.`,
        '',
        ...linesOf(all, out.width),
        '',
        `A session:  ssh ${person.user}+account+target@gateway`,
      ])
      return EXIT.ok
    },
  }
}

/** One under the other where there is no room for both. */
function linesOf(commands: readonly Pick<Command, 'name' | 'usage' | 'summary'>[], width = USUAL_WIDTH) {
  const all = commands.map(({ name, usage, summary }) => [`${name} ${usage}`.trimEnd(), summary] as const)
  const lines = formatFacts(all)
  if (lines.every(line => line.length <= width)) return lines
  return all.flatMap(([call, summary]) => [...wrapped(call, width), `    ${summary}`])
}
