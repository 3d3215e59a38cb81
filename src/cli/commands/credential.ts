/** `sallyport credential`: what the vault holds. Secrets go in by a prompt, stdin or a file; they never come out. */

import type { ListedCredential } from '../../api/routes/credentials.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import type { Column } from '../../shared/text/table.ts'
import type { AddCommands } from '../context.ts'
import { relativeTime } from '../terminal/time.ts'
import { addBatches } from './credential/batch.ts'
import { type ConfirmOptions, confirmCredentials } from './credential/confirm.ts'
import { addGenerate } from './credential/generate.ts'
import { addHistory } from './credential/history.ts'
import { addLeaked } from './credential/leaked.ts'
import { addPin } from './credential/pin.ts'
import { addRestore } from './credential/restore.ts'
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
    .option('--generate <type>', 'make one here: ed25519, ecdsa, rsa or password (as `credential generate`)')
    .action((account: string, options: SetOptions) => setCredential(context, account, options))

  credential
    .command('list')
    .description('the version in force of each')
    .option('--target <target>', 'only on this target')
    .option('--after <account@target>', 'behind this one: the next page')
    .option('--limit <count>', 'how many at most, up to 1000', '1000')
    .action(async (query: { target?: string; after?: string; limit: string }) => {
      const client = await context.client()
      const answer = await client.get<{ credentials: ListedCredential[] }>('/v1/credentials', query)
      if (context.json) return terminal.json(answer)
      const none = 'The vault holds no credentials. Store one with: sallyport credential set ACCOUNT@TARGET'
      const state: Column<ListedCredential> = {
        title: 'STATE',
        value: each => (each.unconfirmed === null ? '' : 'must be confirmed'),
        style: text => terminal.style('red', text),
      }
      terminal.table([...columns(context.now()), state], answer.credentials, none)
      const last = answer.credentials.at(-1)
      if (last !== undefined && answer.credentials.length === Number(query.limit))
        terminal.note(`There may be more: --after ${formatAccountAddress(last)}`)
    })

  credential
    .command('confirm')
    .description('say that a credential may be sent to its target as that is now')
    .argument('<account@target>', "*@TARGET: all of a target's that must be confirmed")
    .option('--prove', 'do not ask: have the target prove by the confirmed key or certificate that it is the same')
    .option('--expect <fingerprint...>', 'do not ask: confirm what has one of these fingerprints')
    .action((account: string, options: ConfirmOptions) => confirmCredentials(context, account, options))

  addGenerate(credential, context)
  addRestore(credential, context)
  addPin(credential, context)
  addHistory(credential, context)
  addLeaked(credential, context)
  addRotation(credential, context)
  addBatches(credential, context)
  addStatus(credential, context)
}

function columns(now: number): Column<ListedCredential>[] {
  return [
    { title: 'ACCOUNT', value: formatAccountAddress, shrinkTo: 16 },
    { title: 'KIND', value: each => each.kind },
    { title: 'VERSION', value: each => String(each.version), align: 'right' },
    { title: 'STORED', value: each => relativeTime(each.createdAt, now), align: 'right' },
    { title: 'BY', value: each => each.createdBy, shrinkTo: 8, optional: 1 },
  ]
}
