import { EXIT } from '../../shared/exit-codes.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import { type Command, CommandError } from '../command.ts'
import { toPerson } from '../to-person.ts'
import { addressOf } from './checkout.ts'

export const checkin: Command = {
  name: 'checkin',
  summary: 'give an account back; your sessions on it end',
  usage: '<account@target>',
  words: { least: 1, most: 1 },
  async run({ parts, login, words, out }) {
    const address = addressOf(words[0]!)
    const ended = await parts.checkOutsOf(login).checkIn(address).catch(toPerson)
    if (ended === null)
      throw new CommandError(
        EXIT.no,
        `You have not checked out ${formatAccountAddress(address)}.`,
        '"checkouts" lists what you have.',
      )
    await out.show(ended, () => [
      `Returned ${formatAccountAddress(ended)}.${ended.revealedAt === null ? '' : ' Its credential is changed now.'}`,
    ])
    return EXIT.ok
  },
}
