/** `sallyport user`: who there is, and enrolling their factors. */

import qrcode from 'qrcode'
import type { OneUserAnswer, UserAnswer } from '../../api/routes/users.ts'
import { matchingStep } from '../../identity/factors/totp.ts'
import { type AddCommands, type Context, textForVault } from '../context.ts'
import { localTime, relativeTime } from '../terminal/time.ts'

export const addUsers: AddCommands = (program, context) => {
  const { terminal } = context
  const user = program.command('user').helpCommand(false).description('the people (and services) that Sallyport knows')
  const pathOf = (name: string) => `/v1/users/${encodeURIComponent(name)}`

  user
    .command('list')
    .description('all users')
    .action(async () => {
      const answer = await (await context.client()).get<{ users: UserAnswer[] }>('/v1/users')
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

  user
    .command('password')
    .description('set the password')
    .argument('<name>')
    .option('--stdin', 'read it from stdin')
    .option('--remove', 'remove it instead')
    .action(async (name: string, { stdin = false, remove = false }: { stdin?: boolean; remove?: boolean }) => {
      const client = await context.client()
      if (remove) await client.send('DELETE', `${pathOf(name)}/factors/password`)
      else {
        const password = stdin
          ? await terminal.secretFromStdin()
          : await terminal.askNewSecret(`New password of ${name}`)
        await client.send('PUT', `${pathOf(name)}/password`, { password: textForVault(password) })
      }
      if (context.json) terminal.json({ user: name, password: remove ? 'removed' : 'set' })
      else terminal.line(remove ? `${name} has no password now.` : `The password of ${name} is set.`)
    })

  user
    .command('totp')
    .description('enrol one-time codes: a new secret, shown this one time')
    .argument('<name>')
    .option('--remove', 'remove it instead')
    .action(async (name: string, { remove = false }: { remove?: boolean }) => {
      const client = await context.client()
      if (remove) {
        await client.send('DELETE', `${pathOf(name)}/factors/totp`)
        if (context.json) terminal.json({ user: name, totp: 'removed' })
        else terminal.line(`${name} has no one-time codes now.`)
        return
      }
      const { secret, url } = await client.send<{ secret: string; url: string }>('POST', `${pathOf(name)}/totp`)
      if (context.json) return terminal.json({ user: name, secret, url })
      if (terminal.width !== undefined) terminal.line(await drawQr(url, terminal.colours))
      terminal.facts([
        ['url', url],
        ['secret', secret],
      ])
      terminal.note(terminal.style('dim', 'Scan it with an authenticator now: it cannot be shown again.'))
      if (terminal.interactive) await confirmCode(context, secret)
    })
}

/** In its own colours, where there are any: a code drawn light on dark is not read by every app. */
function drawQr(url: string, colours: boolean): Promise<string> {
  return qrcode.toString(url, { type: colours ? 'terminal' : 'utf8', small: true, errorCorrectionLevel: 'L' })
}

/** A try with the authenticator while the secret can still be seen. It is made here, so the code stays good for a login. */
async function confirmCode({ terminal, now }: Context, secret: string): Promise<void> {
  for (;;) {
    const code = await terminal.ask('The code that it shows now (Return skips this): ')
    if (code === '') return
    if (matchingStep(secret, code, now()) !== undefined) return terminal.line(terminal.style('green', 'It is right.'))
    terminal.note('That is not it. Was this QR code scanned, and are both clocks right?')
  }
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
