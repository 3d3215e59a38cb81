/** `sallyport credential`: what the vault holds. Secrets go in by a prompt, stdin or a file; they never come out. */

import { readFile } from 'node:fs/promises'
import type { Credential, ListedCredential } from '../../api/routes/credentials.ts'
import type { Target } from '../../api/routes/targets.ts'
import { messageOf } from '../../shared/errors.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { Secret } from '../../shared/secret.ts'
import type { Column } from '../../shared/text/table.ts'
import { readAccount } from '../account.ts'
import { type AddCommands, textForVault } from '../context.ts'
import { CliError } from '../exit.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { relativeTime } from '../terminal/time.ts'
import { type ConfirmOptions, confirmCredentials } from './credential/confirm.ts'

interface SetOptions {
  stdin?: boolean
  privateKey?: string
  passphrase?: boolean
}

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
    .action(async (account: string, options: SetOptions) => {
      const { account: name, target } = readAccount(account)
      const client = await context.client()
      // Before anything is asked for: nobody should type a secret for nothing.
      const entry = await client.get<Target>(`/v1/targets/${encodeURIComponent(target)}`)
      const { accounts } = entry
      if (!accounts.some(each => each.name === name)) {
        throw new CliError(
          EXIT.no,
          `The target ${target} has no account ${name}; add it with: sallyport apply -f FOLDER`,
        )
      }
      // It is good for the target as that is now: nobody should type it for another.
      if (!context.json) terminal.note(`${account} is at ${entry.protocol} ${entry.host}:${entry.port}.`)
      const body = await readMaterial(account, options, terminal)
      const { version } = await client.send<{ version: number }>('PUT', `/v1/credentials/${target}/${name}`, body)
      if (context.json) terminal.json({ account: name, target, version })
      else terminal.line(`Stored version ${version} of ${account}.`)
    })

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

async function readMaterial(account: string, { stdin, privateKey, passphrase }: SetOptions, terminal: Terminal) {
  if (privateKey !== undefined) {
    const key = privateKey === '-' ? await terminal.secretFromStdin() : await readKeyFile(privateKey)
    return {
      kind: 'private-key',
      privateKey: textForVault(key),
      ...(passphrase ? { passphrase: textForVault(await terminal.askSecret('Passphrase of the key: ')) } : {}),
    }
  }
  const password = stdin ? await terminal.secretFromStdin() : await terminal.askNewSecret(`Password of ${account}`)
  return { kind: 'password', password: textForVault(password) }
}

async function readKeyFile(path: string): Promise<Secret> {
  try {
    return new Secret(await readFile(path))
  } catch (error) {
    throw new CliError(EXIT.usage, `--private-key: ${path} cannot be read: ${messageOf(error)}.`)
  }
}
