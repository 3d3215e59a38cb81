/** `sallyport credential`: what the vault holds. Secrets go in by a prompt, stdin or a file; they never come out. */

import type { Credential, ListedCredential } from '../../api/routes/credentials.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import type { Column } from '../../shared/text/table.ts'
import { readAccount } from '../account.ts'
import type { AddCommands } from '../context.ts'
import { CliError } from '../exit.ts'
import { relativeTime } from '../terminal/time.ts'
import { addBatches } from './credential/batch.ts'
import { type ConfirmOptions, confirmCredentials } from './credential/confirm.ts'
import { addLeaked } from './credential/leaked.ts'
import { addRotation } from './credential/rotate.ts'
import { type SetOptions, setCredential } from './credential/set.ts'
import { addStatus } from './credential/status.ts'

export const addCredentials: AddCommands = (program, context) => {
  const { terminal } = context
  const credential = program.command('credential').helpCommand(false).description('the credentials in the vault')

  credential
    .command('set')
    .description('store a new version of a password or private key')
    .argument('<account@target>')
    .option('--stdin', 'read the password from stdin')
    .option('--private-key <file>', 'a private key instead of a password; - reads it from stdin')
    .option('--passphrase', "ask for the private key's passphrase")
    .option('--login <name>', 'of an account that has two names at its target: for which of them it is')
    .option('--totp', "ask for the secret of the target's one-time codes; with --stdin: its last line")
    .action((account: string, options: SetOptions) => setCredential(context, account, options))

  credential
    .command('list')
    .description('the newest version of each')
    .action(async () => {
      const answer = await (await context.client()).get<{ credentials: ListedCredential[] }>('/v1/credentials')
      if (context.json) return terminal.json(answer)
      const none = 'The vault holds no credentials. Store one with: sallyport credential set ACCOUNT@TARGET'
      const state: Column<ListedCredential> = {
        title: 'STATE',
        value: each => (each.unconfirmed === null ? '' : 'must be confirmed'),
        style: text => terminal.style('red', text),
      }
      terminal.table([...columns(context.now()), state], answer.credentials, none)
    })

  credential
    .command('confirm')
    .description('say that a credential may be sent to its target as that is now')
    .argument('<account@target>', "*@TARGET: all of a target's that must be confirmed")
    .option('--prove', 'do not ask: have the target prove by the confirmed key or certificate that it is the same')
    .option('--expect <fingerprint...>', 'do not ask: confirm what has one of these fingerprints')
    .action((account: string, options: ConfirmOptions) => confirmCredentials(context, account, options))

  credential
    .command('restore')
    .description('put an earlier version in force again; it becomes the newest')
    .argument('<account@target>')
    .argument('<version>', 'its number: `credential history` lists them')
    .action(async (account: string, text: string) => {
      const { account: name, target } = readAccount(account)
      if (!/^[1-9]\d{0,8}$/.test(text)) throw new CliError(EXIT.usage, `"${text}" is not the number of a version.`)
      const path = `/v1/credentials/${target}/${name}/restore`
      const { version } = await (await context.client()).send<{ version: number }>('POST', path, {
        version: Number(text),
      })
      if (context.json) terminal.json({ account: name, target, restored: Number(text), version })
      else terminal.line(`Version ${version} of ${account} holds what version ${text} held.`)
    })

  addLeaked(credential, context)
  addRotation(credential, context)
  addBatches(credential, context)
  addStatus(credential, context)

  credential
    .command('history')
    .description('all versions of one, newest first')
    .argument('<account@target>')
    .action(async (account: string) => {
      const { account: name, target } = readAccount(account)
      const path = `/v1/credentials/${target}/${name}`
      const answer = await (await context.client()).get<{ credentials: Credential[] }>(path)
      if (context.json) return terminal.json(answer)
      terminal.table(columns(context.now()), answer.credentials, `The vault holds no credential for ${account}.`)
    })
}

function columns(now: number): Column<Credential>[] {
  return [
    { title: 'ACCOUNT', value: each => `${each.account}@${each.target}`, shrinkTo: 16 },
    { title: 'KIND', value: each => each.kind },
    { title: 'VERSION', value: each => String(each.version), align: 'right' },
    { title: 'STORED', value: each => relativeTime(each.createdAt, now), align: 'right' },
    { title: 'BY', value: each => each.createdBy, shrinkTo: 8, optional: 1 },
  ]
}
