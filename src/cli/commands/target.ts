/** `sallyport target`: what can be reached, and learning the host keys of one. */

import type { ListedCredential } from '../../api/routes/credentials.ts'
import type { OwnTarget } from '../../api/routes/own.ts'
import type { Logins, Scan, Target } from '../../api/routes/targets.ts'
import type { TargetFacts } from '../../protocols/facts.ts'
import { protocolOf } from '../../protocols/registered.ts'
import { durationWords } from '../../shared/durations.ts'
import { messageOf } from '../../shared/errors.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import type { Account } from '../../targets/target.ts'
import type { Client } from '../client.ts'
import type { AddCommands, Context } from '../context.ts'
import { CliError } from '../exit.ts'
import { allPages } from '../pages.ts'

export const addTargets: AddCommands = (program, context) => {
  const { terminal } = context
  const target = program.command('target').helpCommand(false).description('the hosts and databases that can be reached')

  target
    .command('list')
    .description('all targets')
    .action(async () => {
      const client = await context.client()
      if (client.own?.has('targets')) return showOwn(context, await client.get<{ targets: OwnTarget[] }>('/v1/targets'))
      const answer = await allPages<'targets', Target>(client, '/v1/targets', 'targets')
      if (context.json) return terminal.json(answer)
      terminal.table(
        [
          { title: 'TARGET', value: target => target.name, shrinkTo: 10 },
          { title: 'PROTOCOL', value: target => target.protocol },
          { title: 'ADDRESS', value: addressOf, shrinkTo: 14 },
          { title: 'ACCOUNTS', value: target => target.accounts.map(({ name }) => name).join(', '), shrinkTo: 10 },
          { title: 'LABELS', value: labelsOf, shrinkTo: 10, optional: 2 },
          {
            title: 'IDENTITY',
            value: target => factsOf(target).describeIdentity(target).text,
            shrinkTo: 8,
            optional: 1,
            style: (text, target) =>
              factsOf(target).describeIdentity(target).known ? text : terminal.style('red', text),
          },
        ],
        answer.targets,
        'There are no targets. Describe them in files, then: sallyport apply -f FOLDER',
      )
    })

  target
    .command('show')
    .description('one target')
    .argument('<name>')
    .action(async (name: string) => {
      const target = await (await context.client()).get<Target>(`/v1/targets/${encodeURIComponent(name)}`)
      if (context.json) return terminal.json(target)
      terminal.facts([
        ['target', target.name],
        ['description', target.description],
        ['protocol', target.protocol],
        ['address', `${target.host}:${target.port}`],
        ['via', target.via],
        ['local address', target.allowLocal ? 'allowed' : undefined],
        ...(factsOf(target).describe?.(target) ?? []),
        ['shows user in', factsOf(target).showsUserIn(target).join(', ') || 'nothing'],
        ['identity', factsOf(target).describeIdentity(target).text],
        ['labels', labelsOf(target)],
      ])
      terminal.line()
      terminal.table(
        [
          { title: 'ACCOUNT', value: account => account.name },
          { title: 'LEVEL', value: account => account.level },
          { title: 'LOGIN', value: loginsOf, unlessEmpty: true },
          { title: 'DEFAULT', value: account => (account.default ? 'yes' : ''), unlessEmpty: true },
          { title: 'CHECK-OUT', value: checkOutOf, shrinkTo: 12, unlessEmpty: true },
          { title: 'DEPENDENTS', value: dependentsOf, shrinkTo: 10, unlessEmpty: true },
        ],
        target.accounts,
        'It has no accounts.',
      )
    })

  target
    .command('scan')
    .description('ask a host for its keys, and pin them')
    .argument('<name>')
    .option('-y, --yes', 'pin them without asking: compare the fingerprints yourself')
    .option('--replace', 'with --yes: also where a pinned key is not shown any more')
    .action((name: string, options: ScanOptions) => scan(context, name, options))

  target
    .command('logins')
    .description('what databases ask for at login, and whether their entries allow it; nothing is answered')
    .argument('[name]', 'not given: all')
    .action((name: string | undefined) => logins(context, name))
}

function loginsOf({ login, logins }: Account): string {
  return logins === undefined ? (login ?? '') : `${logins.join(', ')} by turns`
}

function checkOutOf({ checkOut }: Account): string {
  if (checkOut === undefined) return ''
  const { mode, maxTime, required, reason, ticket, openSessions } = checkOut
  return [
    mode,
    ...(maxTime === undefined ? [] : [`${durationWords(maxTime)} at most`]),
    ...(required ? ['sessions need one'] : []),
    ...(reason === 'required' ? ['with a reason'] : []),
    ...(ticket === undefined ? [] : [`with a ticket ${ticket}`]),
    ...(openSessions === 'refuse' ? [] : [`open sessions ${openSessions === 'tell' ? 'are told' : 'end'}`]),
  ].join(', ')
}

function dependentsOf({ dependents = [] }: Account): string {
  return dependents.map(({ program }) => program).join(', ')
}

/** To whom not all targets are shown, the accounts that they may use. */
function showOwn({ terminal, json }: Context, answer: { targets: OwnTarget[] }): void {
  if (json) terminal.json(answer)
  else
    terminal.table(
      [
        { title: 'ACCOUNT', value: formatAccountAddress, shrinkTo: 16 },
        { title: 'PROTOCOL', value: target => target.protocol },
        { title: 'LEVEL', value: target => target.level, optional: 2 },
        { title: 'DESCRIPTION', value: target => target.description ?? '', shrinkTo: 10, optional: 1 },
      ],
      answer.targets,
      'There is no account that you may use now.',
    )
}

interface AskedLogin {
  readonly target: string
  readonly account: string
  readonly asks: string
  /** null: the target could not be asked. */
  readonly allowed: boolean | null
}

async function logins({ terminal, json, client: connect }: Context, name: string | undefined): Promise<void> {
  const client = await connect()
  const names = name === undefined ? await databases(client) : [name]
  const asked: AskedLogin[] = []
  for (const target of names) {
    try {
      const { logins } = await client.send<Logins>('POST', `/v1/targets/${encodeURIComponent(target)}/logins`)
      asked.push(...logins.map(each => ({ target, ...each })))
    } catch (error) {
      if (name !== undefined) throw error
      asked.push({ target, account: '', asks: messageOf(error), allowed: null })
    }
  }
  if (json) terminal.json({ logins: asked })
  else {
    terminal.table(
      [
        { title: 'TARGET', value: each => each.target, shrinkTo: 10 },
        { title: 'ACCOUNT', value: each => each.account, shrinkTo: 8 },
        { title: 'ASKS FOR', value: each => each.asks, shrinkTo: 14 },
        {
          title: 'ALLOWED',
          value: each => (each.allowed === null ? 'not known' : each.allowed ? 'yes' : 'no'),
          style: (text, each) => terminal.style(each.allowed ? 'green' : 'red', text),
        },
      ],
      asked,
      'There are no databases.',
    )
  }
  if (asked.some(({ allowed }) => allowed === false)) {
    throw new CliError(
      EXIT.no,
      'Not every login is one that the entry allows.',
      'Correct pg_hba.conf, or `authentication` in the entry: docs/postgres.md says what each gives up.',
    )
  }
  const silent = asked.filter(({ allowed }) => allowed === null).map(({ target }) => target)
  if (silent.length > 0) throw new CliError(EXIT.no, `Not every database could be asked: ${silent.join(', ')}.`)
}

async function databases(client: Client): Promise<string[]> {
  const { targets } = await allPages<'targets', Target>(client, '/v1/targets', 'targets')
  return targets.filter(target => factsOf(target).asks === 'logins').map(({ name }) => name)
}

interface ScanOptions {
  yes?: boolean
  replace?: boolean
}

async function scan(context: Context, name: string, { yes = false, replace = false }: ScanOptions): Promise<void> {
  const { terminal } = context
  const client = await context.client()
  const path = `/v1/targets/${encodeURIComponent(name)}`
  const found = await client.send<Scan>('POST', `${path}/scan`)
  const hostKeys = found.keys.map(({ key }) => key)
  const news = found.keys.some(({ pinned }) => !pinned) || found.missing.length > 0
  if (!context.json) {
    terminal.line(`${name} at ${found.host}:${found.port} shows:`)
    terminal.table(
      [
        { title: 'KEY', value: key => key.type },
        { title: 'FINGERPRINT', value: key => key.fingerprint },
        {
          title: '',
          value: key => (key.pinned ? 'pinned' : 'new'),
          style: (text, key) => terminal.style(key.pinned ? 'green' : 'yellow', text),
        },
      ],
      found.keys,
      'It shows no keys.',
    )
    if (found.missing.length > 0) {
      const keys = found.missing.length === 1 ? '1 pinned key is' : `${found.missing.length} pinned keys are`
      terminal.line(terminal.style('red', `WARNING: ${keys} not shown any more.`))
      terminal.line(
        'The host was made anew, or something stands between it and the gateway. Ask who runs it before you pin.',
      )
    }
  }
  if (hostKeys.length === 0) throw new CliError(EXIT.no, `${name} shows no host keys that can be used.`)
  if (yes && found.missing.length > 0 && !replace) {
    throw new CliError(
      EXIT.no,
      `${name} does not show what is pinned. Once you know why: target scan ${name} --yes --replace`,
    )
  }
  const pin =
    news &&
    (yes ||
      (!context.json && (await terminal.confirm('Pin them, if these are the fingerprints that the host really has?'))))
  if (pin) await client.send('PUT', `${path}/host-keys`, { hostKeys })
  if (context.json) return terminal.json({ ...found, pinned: pin || !news })
  if (!news) terminal.line('They are pinned already.')
  else if (pin) terminal.lines(['Pinned.', ...(await toConfirm(client, name))])
  else throw new CliError(EXIT.no, 'Nothing was pinned.')
}

/** Which credentials wait for somebody to confirm that the new keys are the host's. */
async function toConfirm(client: Client, target: string): Promise<string[]> {
  const { credentials } = await client.get<{ credentials: ListedCredential[] }>('/v1/credentials', { target })
  const waiting = credentials.some(each => each.unconfirmed !== null)
  return waiting ? [`Its credentials must be confirmed: sallyport credential confirm '*@${target}'`] : []
}

function addressOf({ host, port, via }: Target): string {
  return via === undefined ? `${host}:${port}` : `${host}:${port} via ${via}`
}

function labelsOf(target: Target): string {
  return Object.entries(target.labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ')
}

function factsOf({ protocol }: Target): TargetFacts {
  return protocolOf(protocol).target
}
