/** `sallyport credential restore`: an earlier version in force again, once it has logged in; or the one that does. */

import type { Command } from 'commander'
import type { Probed, Restored } from '../../../api/routes/credential-versions.ts'
import { EXIT } from '../../../shared/exit-codes.ts'
import { readAccount } from '../../account.ts'
import type { Context } from '../../context.ts'
import { CliError } from '../../exit.ts'
import { readVersion } from './version.ts'

interface RestoreOptions {
  version?: string
  probe?: boolean
  dryRun?: boolean
  unverified?: boolean
}

export function addRestore(credential: Command, context: Context): void {
  credential
    .command('restore')
    .description('put an earlier version in force again, once a login has shown that it works')
    .argument('<account@target>')
    .argument('[version]', 'its number: `credential history` lists them')
    .option('--version <number>', 'the same')
    .option('--probe', 'try the versions, newest first, until one logs in')
    .option('--dry-run', 'with --probe: only say which one logs in')
    .option('--unverified', 'also where the target cannot be reached; it is audited as such')
    .action((account: string, text: string | undefined, options: RestoreOptions) => {
      const wanted = [text, options.version].filter(each => each !== undefined)
      const usage = (words: string) => new CliError(EXIT.usage, words)
      if (options.probe) {
        if (wanted.length > 0 || options.unverified) throw usage('--probe finds the version by itself, by logins.')
        return probe(context, account, options.dryRun ?? false)
      }
      if (options.dryRun) throw usage('--dry-run goes with --probe.')
      if (wanted.length !== 1) throw usage('Name one version, or use --probe.')
      return restore(context, account, readVersion(wanted[0]!), options.unverified ?? false)
    })
}

async function restore(context: Context, account: string, wanted: number, unverified: boolean): Promise<void> {
  const { terminal } = context
  const { account: name, target } = readAccount(account)
  const path = `/v1/credentials/${target}/${name}/restore`
  const body = { version: wanted, unverified }
  const { version, restored, verified } = await (await context.client()).send<Restored>('POST', path, body)
  if (context.json) return terminal.json({ account: name, target, restored, version, verified })
  const holds = version === restored ? 'is in force' : `is in force, and holds what version ${restored} held`
  terminal.line(`Version ${version} of ${account} ${holds}.`)
  if (!verified) terminal.note('It was not verified: the target did not answer. Verify it when it does.')
}

async function probe(context: Context, account: string, dryRun: boolean): Promise<void> {
  const { terminal } = context
  const { account: name, target } = readAccount(account)
  if (!context.json) terminal.note(`Trying the versions of ${account}, with pauses so that the account is not locked …`)
  const path = `/v1/credentials/${target}/${name}/probe`
  const probed = await (await context.client()).send<Probed>('POST', path, { dryRun })
  if (context.json) terminal.json({ account: name, target, ...probed })
  else {
    for (const { version, result, words } of probed.tried) {
      const text = `version ${version}: ${result}${words === '' ? '' : ` (${words})`}`
      terminal.line(result === 'works' ? terminal.style('green', text) : text)
    }
  }
  const { result, lives, version, untried } = probed
  const others = untried.length === 0 ? '' : ` Not tried: ${untried.join(', ')}.`
  switch (result) {
    case 'restored':
    case 'in-force':
    case 'found': {
      const what = {
        restored: `Version ${lives} of ${account} logs in; version ${version}, which holds the same, is in force now.`,
        'in-force': `Version ${lives} of ${account} logs in, and is in force already: there is nothing to restore.`,
        found: `Version ${lives} of ${account} logs in; put it in force with: sallyport credential restore ${account} --version ${lives}`,
      }
      if (!context.json)
        terminal.line(
          lives === version && result === 'restored'
            ? `Version ${lives} of ${account} logs in, and is in force now.`
            : what[result],
        )
      return
    }
    case 'none':
      throw new CliError(
        EXIT.no,
        `No version of ${account} logs in; nothing was changed.`,
        `Have it set anew by another account: sallyport credential reconcile ${account}; or store what it is now: sallyport credential set ${account}`,
      )
    case 'stopped':
      throw new CliError(
        EXIT.no,
        `So many versions of ${account} were refused that it stopped, before the target locks the account.${others}`,
        'Run it again in a quarter of an hour: those that were not tried come first.',
      )
    case 'unreachable':
      throw new CliError(EXIT.no, `The target of ${account} did not answer; nothing was changed.${others}`)
  }
}
