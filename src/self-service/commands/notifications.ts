import { EXIT, type ExitCode } from '../../shared/exit-codes.ts'
import { type Call, type Command, CommandError } from '../command.ts'
import { toPerson } from '../to-person.ts'

/** What the person is told of by mail and the like, and choosing that. */
export const notifications: Command = {
  name: 'notifications',
  summary: 'what you are told of and by which channels; have it told, or not',
  usage: '[on|off <kind|all> [channel]]',
  words: { least: 0, most: 3 },
  async run(call) {
    const [verb, kind, channel = '*'] = call.words
    if (verb === undefined) return list(call)
    if (verb !== 'on' && verb !== 'off') throw wrong('After "notifications" comes on or off.')
    if (kind === undefined) throw wrong(`"notifications ${verb}" needs a kind of notification.`)
    const { parts, login } = call
    await parts
      .notificationsOf(login)
      .choose({ kind: kind === 'all' ? '*' : kind, channel, wanted: verb === 'on' })
      .catch(toPerson)
    return list(call)
  },
}

async function list({ parts, login, out }: Call): Promise<ExitCode> {
  const choices = await parts.notificationsOf(login).list()
  await out.show(choices, () =>
    out.table(
      [
        { title: 'KIND', value: one => one.kind },
        { title: 'BY', value: one => one.by.join(', ') || 'off' },
        { title: 'WHAT', value: one => one.meaning, shrinkTo: 16 },
      ],
      choices.channels.length === 0 ? [] : choices.kinds,
      'This gateway tells nobody of anything: no channel is configured that reaches people.',
    ),
  )
  return EXIT.ok
}

function wrong(message: string): CommandError {
  return new CommandError(EXIT.usage, message, `usage: notifications ${notifications.usage}`)
}
