import { EXIT } from '../../shared/exit-codes.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import { isoMinute } from '../../shared/text/iso-time.ts'
import type { Command } from '../command.ts'
import { toPerson } from '../to-person.ts'
import { addressOf, forMsOf } from './checkout.ts'

export const extend: Command = {
  name: 'extend',
  summary: 'have an account for longer; the longest time counts from its start',
  usage: '<account@target> [--for 1h]',
  words: { least: 1, most: 1 },
  options: { for: { type: 'string' } },
  async run({ parts, login, words, options, out }) {
    const extended = await parts.checkOutsOf(login).extend(addressOf(words[0]!), forMsOf(options.for)).catch(toPerson)
    await out.show(extended, () => [
      `${formatAccountAddress(extended)} is yours until ${isoMinute(Date.parse(extended.until))}.`,
    ])
    return EXIT.ok
  },
}
