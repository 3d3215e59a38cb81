import { EXIT } from '../../shared/exit-codes.ts'
import { NAME_PATTERN, parseAccountAddress } from '../../shared/names.ts'
import { type Command, CommandError } from '../command.ts'

/** What is forbidden and what does not exist read the same: the verdict is the text of the refusal at a login. */
export const explain: Command = {
  name: 'explain',
  summary: 'whether you may use an account now, and on which terms',
  usage: '<account@target>',
  words: { least: 1, most: 1 },
  async run({ parts, person, words: [text], out }) {
    const address = parseAccountAddress(text!) ?? (NAME_PATTERN.test(text!) ? { target: text! } : undefined)
    if (address === undefined) throw new CommandError(EXIT.usage, 'That is no account: it is written as root@web-01.')
    const decision = await parts.access.look(person, address)
    if (!decision.granted) {
      const { message: verdict, advice } = decision
      await out.show({ allowed: false, verdict, ...(advice === undefined ? {} : { advice }) }, () => [
        `No. ${verdict}`,
        ...(advice?.split('\n') ?? []),
      ])
      return EXIT.no
    }
    const { account, target, database, channels, endsAt, idleMs, recordInput, recordExecInput } = decision
    const document = {
      allowed: true,
      verdict: 'Yes.',
      given: {
        account: account.name,
        target: target.name,
        protocol: target.protocol,
        level: account.level,
        ...(database === undefined ? {} : { database }),
        channels: [...channels],
        endsAt: new Date(endsAt).toISOString(),
        ...(idleMs === undefined ? {} : { idleMs }),
        recordInput,
        recordExecInput,
      },
    }
    await out.show(document, () => [
      'Yes.',
      ...out.facts([
        ['login', `${person.user}+${account.name}+${target.name}`],
        ['protocol', target.protocol],
        ['database', database],
        ['level', account.level],
        ['allows', document.given.channels.join(', ')],
        ['until', document.given.endsAt],
        ['idle', idleMs === undefined ? 'no limit' : `ends after ${Math.ceil(idleMs / 60_000)} min`],
        ['recorded', recordInput ? 'what is shown, and what is typed' : 'what is shown'],
      ]),
    ])
    return EXIT.ok
  },
}
