/** `sallyport credential leaked`: others may know it, so it is rotated at once. */

import type { Command } from 'commander'
import { readAccount } from '../../account.ts'
import type { Context } from '../../context.ts'

export function addLeaked(credential: Command, context: Context): void {
  credential
    .command('leaked')
    .description('say that others may know it: it is rotated at once')
    .argument('<account@target>')
    .requiredOption('--reason <text>', 'what makes you think so: it is audited')
    .action(async (text: string, { reason }: { reason: string }) => {
      const { account, target } = readAccount(text)
      const path = `/v1/credentials/${target}/${account}/leaked`
      const answer = await (await context.client()).send<{ account: string; rotation: string }>('POST', path, {
        reason,
      })
      if (context.json) context.terminal.json(answer)
      else
        context.terminal.line(`${answer.account} is rotated now; see: sallyport schedule list --key ${answer.account}`)
    })
}
