/** What is asked for on the command line, as the API takes it. */

import { EXIT } from '../../../shared/exit-codes.ts'
import { readAccount } from '../../account.ts'
import { CliError } from '../../exit.ts'
import { parseTime } from '../../terminal/time.ts'

export interface AskOptions {
  readonly target?: string
  readonly labels?: string[]
  readonly targets?: string[]
  readonly level?: string
  readonly account?: string
  readonly role?: string
  readonly for?: string
  readonly at?: string
  readonly channel?: string[]
  readonly database?: string[]
  readonly reason?: string
  readonly ticket?: string
  readonly permanent?: true
}

export function wishOf(address: string | undefined, options: AskOptions, now: number): Record<string, unknown> {
  const { target, labels, targets, level, account, role, at, channel, database, reason, ticket, permanent } = options
  const said = [address, target, labels ?? targets].filter(one => one !== undefined)
  if (said.length !== 1)
    throw new CliError(EXIT.usage, 'Say what you ask for: root@web-01, or --target, or --labels and --targets.')
  return {
    ...(address === undefined ? { target, account } : readAccount(address)),
    ...(labels === undefined && targets === undefined
      ? {}
      : { selector: { names: targets, labels: labels && Object.fromEntries(labels.map(readLabel)) } }),
    ...{ level, role, reason, ticket, permanent, for: options.for },
    startsAt: at === undefined ? undefined : parseTime(at, '--at', now),
    ...{ channels: channel, databases: database },
  }
}

function readLabel(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw new CliError(EXIT.usage, `"${text}" is no label.`, 'A label is written as in env=production.')
  return [text.slice(0, at), text.slice(at + 1)]
}
