/** `sallyport credential history` and `show-public`: what is known of the versions of one credential. */

import type { Command } from 'commander'
import type { Credential } from '../../../api/routes/credential-versions.ts'
import { EXIT } from '../../../shared/exit-codes.ts'
import type { Column } from '../../../shared/text/table.ts'
import { readAccount } from '../../account.ts'
import type { Context } from '../../context.ts'
import { CliError } from '../../exit.ts'
import { relativeTime } from '../../terminal/time.ts'
import { readVersion } from './version.ts'

export function addHistory(credential: Command, context: Context): void {
  const { terminal } = context

  credential
    .command('history')
    .description('all versions of one, newest first: when, why, by whom; verified and lent when')
    .argument('<account@target>')
    .action(async (account: string) => {
      const credentials = await versionsOf(context, account)
      if (context.json) return terminal.json({ credentials })
      terminal.table(columns(context), credentials, `The vault holds no credential for ${account}.`)
      if (credentials.some(({ facts }) => facts === 'altered'))
        terminal.note('Somebody changed what the store says of a version (altered). Ask: sallyport doctor')
    })

  credential
    .command('show-public')
    .description('print the public half of a key pair, as authorized_keys has it')
    .argument('<account@target>')
    .option('--version <number>', 'of this version; not given: of the newest')
    .action(async (account: string, { version: text }: { version?: string }) => {
      const version = text === undefined ? undefined : readVersion(text)
      const versions = await versionsOf(context, account)
      const found = versions.find(each => version === undefined || each.version === version)
      if (found === undefined) {
        const which = version === undefined ? 'credential for' : `version ${version} of`
        throw new CliError(EXIT.no, `The vault holds no ${which} ${account}.`)
      }
      const { publicKey, kind } = found
      if (publicKey === null) {
        const why = kind === 'password' ? 'is a password' : 'is a key whose public half an earlier gateway did not keep'
        throw new CliError(EXIT.no, `Version ${found.version} of ${account} ${why}.`)
      }
      if (context.json) terminal.json({ version: found.version, publicKey })
      else terminal.line(publicKey.line)
    })
}

async function versionsOf(context: Context, account: string): Promise<Credential[]> {
  const { account: name, target } = readAccount(account)
  const path = `/v1/credentials/${target}/${name}`
  return (await (await context.client()).get<{ credentials: Credential[] }>(path)).credentials
}

function columns(context: Context): Column<Credential>[] {
  const { terminal } = context
  const now = context.now()
  const when = (iso: string | null) => (iso === null ? '–' : relativeTime(iso, now))
  return [
    { title: 'VERSION', value: each => String(each.version), align: 'right' },
    { title: 'STATE', value: stateOf, style: (text, each) => (each.current ? terminal.style('green', text) : text) },
    { title: 'KIND', value: kindOf },
    { title: 'STORED', value: each => when(each.createdAt), align: 'right' },
    { title: 'WHY', value: whyOf },
    { title: 'BY', value: each => each.createdBy, shrinkTo: 8 },
    {
      title: 'VERIFIED',
      value: each => (each.verifiedResult === null ? '–' : `${each.verifiedResult} ${when(each.verifiedAt)}`),
      style: (text, each) => (each.verifiedResult === 'refused' ? terminal.style('red', text) : text),
    },
    { title: 'LENT', value: each => when(each.lentAt), align: 'right', optional: 1 },
    {
      title: 'FINGERPRINT',
      value: each => each.publicKey?.fingerprint ?? '',
      shrinkTo: 16,
      optional: 2,
      unlessEmpty: true,
    },
  ]
}

function stateOf({ current, candidate, pinned, facts }: Credential): string {
  const state = current ? 'in force' : candidate ? 'candidate' : ''
  return [state, pinned ? 'pinned' : '', facts === 'altered' ? 'altered' : ''].filter(Boolean).join(', ')
}

function kindOf({ kind, publicKey }: Credential): string {
  return publicKey === null ? kind : publicKey.line.split(' ')[0]!
}

function whyOf({ cause, trigger, restoredFrom }: Credential): string {
  if (restoredFrom !== null) return `restored from ${restoredFrom}`
  if (cause === null) return 'stored'
  return trigger === null || cause === 'reconciled' ? cause : `${cause} (${trigger})`
}
