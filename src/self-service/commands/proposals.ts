import { effectLines, PROPOSAL_COLUMNS, proposalFacts } from '../../proposals/proposal-document.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { PROPOSAL_ID_PATTERN } from '../../shared/ids.ts'
import { printable } from '../../shared/text/printable.ts'
import { type Command, CommandError } from '../command.ts'
import { toPerson } from '../to-person.ts'
import { LIST_OPTIONS, LIST_USAGE, showBothLists } from '../which-list.ts'

export const proposals: Command = {
  name: 'proposals',
  summary: 'changes of the rules: those you proposed, and those that wait for you',
  usage: LIST_USAGE,
  words: { least: 0, most: 1 },
  options: LIST_OPTIONS,
  run(call) {
    const own = call.parts.proposalsOf(call.login)
    return showBothLists(call, {
      ...{ name: 'proposals', id: PROPOSAL_ID_PATTERN, list: own.list },
      columns: () => PROPOSAL_COLUMNS,
      noneOfMine: () => 'You have proposed nothing.',
    })
  },
}

export const proposal: Command = {
  name: 'proposal',
  summary: 'show what a proposed change of the rules does, or withdraw it',
  usage: 'show <id> [--from LINE] | withdraw <id>',
  words: { least: 2, most: 2 },
  options: { from: { type: 'string' } },
  async run({ parts, login, words: [verb, id], options, out }) {
    const own = parts.proposalsOf(login)
    if (verb === 'withdraw') {
      const withdrawn = await own.withdraw(id!).catch(toPerson)
      await out.show(withdrawn, () => [`${withdrawn.id} is withdrawn.`])
      return EXIT.ok
    }
    if (verb !== 'show') throw new CommandError(EXIT.usage, `There is no "proposal ${verb}".`)
    const from = options.from === undefined ? 0 : Number(options.from)
    if (!Number.isSafeInteger(from) || from < 0) throw new CommandError(EXIT.usage, '--from is the number of a line.')
    const details = await own.show(id!, { from }).catch(toPerson)
    const next = from + details.lines.length
    await out.show(details, () => [
      ...out.facts(proposalFacts(details)),
      '',
      ...[...details.lines, ...effectLines(details.effect)].map(printable),
      ...(next < details.lineCount
        ? [`… ${details.lineCount - next} more lines: proposal show ${id} --from ${next}`]
        : []),
    ])
    return EXIT.ok
  },
}
