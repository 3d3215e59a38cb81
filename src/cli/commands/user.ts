/** `sallyport user`: who there is, and enrolling their factors. */

import type { OneUserAnswer, UserAnswer } from '../../api/routes/users.ts'
import type { EnrolledFactor } from '../../shared/factors.ts'
import type { AddCommands } from '../context.ts'
import { allPages } from '../pages.ts'
import { localTime, relativeTime } from '../terminal/time.ts'
import { addPassword } from './enrol/password.ts'
import { pathOf } from './enrol/path.ts'
import { addTotp } from './enrol/totp.ts'

const ENROLMENTS: { readonly [F in EnrolledFactor]: AddCommands } = { password: addPassword, totp: addTotp }

export const addUsers: AddCommands = (program, context) => {
  const { terminal } = context
  const user = program.command('user').helpCommand(false).description('the people (and services) that Sallyport knows')

  user
    .command('list')
    .description('all users')
    .action(async () => {
      const answer = await allPages<'users', UserAnswer>(await context.client(), '/v1/users', 'users')
      if (context.json) return terminal.json(answer)
      terminal.table(
        [
          { title: 'USER', value: user => user.name, shrinkTo: 10 },
          { title: 'NAME', value: user => user.fullName ?? '', shrinkTo: 10, optional: 1 },
          { title: 'ROLES', value: user => user.roles.join(', '), shrinkTo: 10 },
          { title: 'FACTORS', value: factorsOf, shrinkTo: 10 },
          { title: '', value: user => (user.disabled ? 'disabled' : ''), style: text => terminal.style('red', text) },
        ],
        answer.users,
        'There are no users. Describe them in files, then: sallyport apply -f FOLDER',
      )
    })

  user
    .command('show')
    .description('one user')
    .argument('<name>')
    .action(async (name: string) => {
      const user = await (await context.client()).get<OneUserAnswer>(pathOf(name))
      if (context.json) return terminal.json(user)
      const now = context.now()
      terminal.facts([
        ['user', user.name],
        ['name', user.fullName],
        ['email', user.email],
        ['roles', user.roles.join(', ')],
        ['source', user.source],
        ['state', user.disabled ? 'disabled' : 'enabled'],
        ...user.factors.map(({ kind, updatedAt }) => [kind, `enrolled ${relativeTime(updatedAt, now)}`] as const),
        ...user.publicKeys.map(key => ['public key', key] as const),
        ...failuresOf(user),
      ])
    })

  user
    .command('unlock')
    .description('forget failed tries, and end the waiting after too many')
    .argument('<name>')
    .action(async (name: string) => {
      await (await context.client()).send('POST', `${pathOf(name)}/unlock`)
      if (context.json) terminal.json({ user: name, unlocked: true })
      else terminal.line(`${name} is not locked now.`)
    })

  for (const add of Object.values(ENROLMENTS)) add(user, context)
}

function failuresOf({ failures }: OneUserAnswer): [string, string][] {
  if (failures === null) return [['failures', 'not known while the gateways cannot reach each other']]
  return failures.map(one => [`${one.factor} failures`, failuresText(one)])
}

function failuresText({ tries, network, lockedUntil }: NonNullable<OneUserAnswer['failures']>[number]): string {
  const where = network === null ? 'from sources that are not known' : `from ${network}`
  return `${tries} ${where}${lockedUntil === null ? '' : `, locked until ${localTime(lockedUntil)}`}`
}

function factorsOf({ publicKeys, factors }: UserAnswer): string {
  const { length } = publicKeys
  const keys = length === 0 ? [] : [length === 1 ? 'publickey' : `${length} publickeys`]
  return [...keys, ...factors.map(({ kind }) => kind)].join(', ')
}
