import { EXIT } from '../../shared/exit-codes.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import type { Command } from '../command.ts'

export const whoami: Command = {
  name: 'whoami',
  summary: 'who you are here: roles, what you have proven, until when',
  usage: '',
  words: { least: 0, most: 0 },
  async run({ parts, person, login, out }) {
    const user = await parts.users.get(person.user)
    const document = {
      user: person.user,
      ...(user?.fullName === undefined ? {} : { fullName: user.fullName }),
      roles: person.roles,
      proven: [...person.proven],
      source: person.sourceAddress,
      session: login.id,
      loggedInAt: isoTime(login.since),
      endsAt: isoTime(login.endsAt),
    }
    await out.show(document, () =>
      out.facts([
        ['user', person.user],
        ['name', user?.fullName],
        ['roles', person.roles.join(', ') || 'none'],
        ['proven', document.proven.join(', ')],
        ['from', document.source],
        ['session', document.session],
        ['since', document.loggedInAt],
        ['until', document.endsAt],
      ]),
    )
    return EXIT.ok
  },
}
