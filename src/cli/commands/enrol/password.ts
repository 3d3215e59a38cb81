/** `sallyport user password`: sets or removes it. */

import { type AddCommands, textForVault } from '../../context.ts'
import { pathOf } from './path.ts'

export const addPassword: AddCommands = (user, context) => {
  const { terminal } = context
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
}
