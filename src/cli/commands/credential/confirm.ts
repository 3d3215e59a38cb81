/** `sallyport credential confirm`: shows what a credential was confirmed for beside what its target is now, and asks. */

import type { ListedCredential, Standing } from '../../../api/routes/credentials.ts'
import { EXIT } from '../../../shared/exit-codes.ts'
import type { AccountAddress } from '../../../shared/names.ts'
import { printable } from '../../../shared/text/printable.ts'
import { readAccount } from '../../account.ts'
import type { Client } from '../../client.ts'
import type { Context } from '../../context.ts'
import { CliError } from '../../exit.ts'
import type { Terminal } from '../../terminal/terminal.ts'

export interface ConfirmOptions {
  expect?: string[]
  prove?: boolean
}

export async function confirmCredentials(context: Context, account: string, options: ConfirmOptions): Promise<void> {
  const { expect, prove = false } = options
  const { terminal } = context
  const client = await context.client()
  const standings = await Promise.all((await addresses(client, account)).map(each => standingOf(client, each)))
  const confirmed: Standing[] = []
  for (const standing of standings) {
    const name = `${standing.account}@${standing.target}`
    if (standing.now === null || standing.fingerprint === null) {
      throw new CliError(EXIT.no, `The target ${standing.target} is gone: there is nothing to confirm ${name} for.`)
    }
    if (!context.json) show(terminal, name, standing)
    const agreed =
      prove ||
      (expect === undefined
        ? await terminal.confirm(`May the credential of ${name} be sent there?`, '--expect FINGERPRINT')
        : expect.includes(standing.fingerprint))
    if (!agreed) {
      const why = expect === undefined ? '' : `: its target's identity is now ${standing.fingerprint}`
      throw new CliError(EXIT.no, `${name} was not confirmed${why}.`)
    }
    const path = pathOf(standing)
    confirmed.push(
      prove
        ? await client.send<Standing>('POST', `${path}/prove`)
        : await client.send<Standing>('POST', `${path}/confirm`, { fingerprint: standing.fingerprint }),
    )
    if (!context.json) terminal.line(prove ? `${name}: the target proved itself; confirmed.` : `Confirmed ${name}.`)
  }
  if (context.json) terminal.json({ confirmed })
  else if (standings.length === 0) terminal.line('No credential of this target must be confirmed.')
}

/** One account, or for `*@web-01` those of the target that wait. */
async function addresses(client: Client, account: string): Promise<AccountAddress[]> {
  if (!account.startsWith('*@')) return [readAccount(account)]
  const { target } = readAccount(`any${account.slice(1)}`)
  // A name that is mistyped has nothing to confirm, and must not read like one that is in order.
  await client.get(`/v1/targets/${target}`)
  const { credentials } = await client.get<{ credentials: ListedCredential[] }>('/v1/credentials', { target })
  return credentials.filter(each => each.unconfirmed !== null)
}

function standingOf(client: Client, address: AccountAddress): Promise<Standing> {
  return client.get<Standing>(`${pathOf(address)}/standing`)
}

function pathOf({ account, target }: AccountAddress): string {
  return `/v1/credentials/${target}/${account}`
}

function show(terminal: Terminal, name: string, { version, confirmed, now, fingerprint, unconfirmed }: Standing): void {
  terminal.line(`${name}, version ${version}: ${unconfirmed ?? 'confirmed already'}.`)
  const [old, fresh] = [confirmed ?? {}, now ?? {}] as Record<string, unknown>[]
  for (const part of new Set([...Object.keys(fresh!), ...Object.keys(old!)])) {
    const [before, after] = [old![part], fresh![part]].map(value => [value ?? []].flat().map(String)) as [
      string[],
      string[],
    ]
    const gone = before.filter(each => !after.includes(each))
    const kept = before.filter(each => after.includes(each))
    const added = after.filter(each => !before.includes(each))
    for (const each of kept) terminal.line(`    ${part}: ${printable(each)}`)
    for (const each of gone) terminal.line(terminal.style('red', `  - ${part}: ${printable(each)}`))
    for (const each of added) terminal.line(terminal.style('green', `  + ${part}: ${printable(each)}`))
  }
  terminal.line(`    fingerprint of what it is now: ${fingerprint}`)
}
