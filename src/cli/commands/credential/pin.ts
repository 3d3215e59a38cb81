/** `sallyport credential pin` and `unpin`: whether a version stays, however old it gets. */

import type { Command } from 'commander'
import { readAccount } from '../../account.ts'
import type { Context } from '../../context.ts'
import { readVersion } from './version.ts'

export function addPin(credential: Command, context: Context): void {
  const add = (name: string, description: string, pinned: boolean) =>
    credential
      .command(name)
      .description(description)
      .argument('<account@target>')
      .argument('<version>', 'its number: `credential history` lists them')
      .action(async (account: string, text: string) => {
        const { account: name, target } = readAccount(account)
        const version = readVersion(text)
        const path = `/v1/credentials/${target}/${name}/versions/${version}/pinned`
        await (await context.client()).send('PUT', path, { pinned })
        if (context.json) context.terminal.json({ account: name, target, version, pinned })
        else
          context.terminal.line(
            `Version ${version} of ${account} ${pinned ? 'stays' : 'may be deleted when it is old'}.`,
          )
      })
  add('pin', 'keep a version, however old it gets', true)
  add('unpin', 'let a version be deleted when it is old', false)
}
