import { MOST_LISTED } from '../../access-requests/request.ts'
import { effectLines, PROPOSAL_COLUMNS, proposalFacts } from '../../proposals/proposal-document.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { PROPOSAL_ID_PATTERN } from '../../shared/ids.ts'
import { printable } from '../../shared/text/printable.ts'
import { type Command, CommandError } from '../command.ts'
import { toPerson } from '../to-person.ts'
import { bothLists, LIST_OPTIONS, LIST_USAGE, type ListView, readWhichList } from '../which-list.ts'

export const proposals: Command = {
  name: 'proposals',
  summary: 'changes of the rules: those you proposed, and those that wait for you',
  usage: LIST_USAGE,
  words: { least: 0, most: 1 },
  options: LIST_OPTIONS,
  async run(call) {
    const { parts, login, out } = call
    const own = parts.proposalsOf(login)
    const { view, after } = readWhichList(call, { name: 'proposals', id: PROPOSAL_ID_PATTERN })
    const page = { limit: MOST_LISTED, before: after }
    const listed = (one: ListView) => (view === undefined || view === one ? own.list(one, page) : [])
    const [mine, toDecide] = await Promise.all([listed('mine'), listed('to-decide')]).catch(toPerson)
    const tables = {
      mine: () => out.table(PROPOSAL_COLUMNS, mine, 'You have proposed nothing.'),
      toDecide: () => out.table(PROPOSAL_COLUMNS, toDecide, 'Nothing waits for you.'),
    }
    await out.show({ mine, toDecide }, () => bothLists({ name: 'proposals', view, mine, toDecide, tables }))
    return EXIT.ok
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
