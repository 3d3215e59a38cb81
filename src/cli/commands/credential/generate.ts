/** `sallyport credential generate`: a key pair or a password that nobody ever sees. */

import type { Command } from 'commander'
import type { Generated } from '../../../api/routes/credential-versions.ts'
import { EXIT } from '../../../shared/exit-codes.ts'
import { readAccount } from '../../account.ts'
import type { Context } from '../../context.ts'
import { CliError } from '../../exit.ts'

const TYPES = ['ed25519', 'ecdsa', 'rsa', 'password'] as const

export function addGenerate(credential: Command, context: Context): void {
  credential
    .command('generate')
    .description('make a key pair, whose public half is printed, or a password')
    .argument('<account@target>')
    .option('--type <type>', `one of ${TYPES.join(', ')}`, 'ed25519')
    .action((account: string, { type }: { type: string }) => generateCredential(context, account, type))
}

export async function generateCredential(context: Context, account: string, type: string): Promise<void> {
  const { terminal } = context
  const { account: name, target } = readAccount(account)
  if (!TYPES.some(each => each === type)) throw new CliError(EXIT.usage, `--type is one of ${TYPES.join(', ')}.`)
  const path = `/v1/credentials/${target}/${name}/generate`
  const { version, current, publicKey } = await (await context.client()).send<Generated>('POST', path, { type })
  if (context.json) return terminal.json({ account: name, target, version, current, publicKey })
  if (publicKey !== null) terminal.line(publicKey.line)
  const next =
    publicKey === null
      ? `The target does not know it yet; \`sallyport credential reconcile ${account}\` sets a password there.`
      : current
        ? `Add this line to the account's authorized_keys.`
        : `Add this line to the account's authorized_keys; then: sallyport credential restore ${account} --version ${version}`
  const state = current ? 'is in force' : 'is a candidate, and not in force'
  terminal.note(`Version ${version} of ${account} ${state}. ${next}`)
}
