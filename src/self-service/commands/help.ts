import { EXIT } from '../../shared/exit-codes.ts'
import type { Command } from '../command.ts'

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
        ...out.facts(all.map(({ name, usage, summary }) => [usage === '' ? name : `${name} ${usage}`, summary])),
        '',
        `A session:  ssh ${person.user}+account+target@gateway`,
      ])
      return EXIT.ok
    },
  }
}
