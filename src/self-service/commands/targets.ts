import { EXIT } from '../../shared/exit-codes.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import type { Command } from '../command.ts'
import { reachableFirst } from '../reachable-first.ts'

export const targets: Command = {
  name: 'targets',
  summary: 'the accounts that you may use now; with words, those that have all of them',
  usage: '[WORD...]',
  words: { least: 0, most: 16 },
  async run({ parts, person, words, out }) {
    const entries = (await reachableFirst(parts, person)).filter(entry => entry.matches(words))
    const document = entries.map(({ reachable, favourite, lastUsed }) => ({
      ...reachable,
      login: `${person.user}+${reachable.account}+${reachable.target}`,
      favourite,
      lastUsedAt: lastUsed === undefined ? null : new Date(lastUsed).toISOString(),
    }))
    await out.show({ targets: document }, () =>
      out.table(
        [
          { title: 'ACCOUNT', value: entry => formatAccountAddress(entry), shrinkTo: 16 },
          { title: 'PROTOCOL', value: entry => entry.protocol, optional: 1 },
          { title: 'LEVEL', value: entry => entry.level, optional: 2 },
          { title: 'LOGIN', value: entry => entry.login, optional: 3 },
          { title: 'DESCRIPTION', value: entry => entry.description ?? '', shrinkTo: 10 },
        ],
        document,
        words.length === 0
          ? 'There is no account that you may use now.'
          : 'None of the accounts that you may use has this.',
      ),
    )
    return EXIT.ok
  },
}
