/** `sallyport request`: asking for access by a personal token, deciding on what others ask for, and for whoever may, seeing all and revoking. */

import type { RequestDetails as Details } from '../../access-requests/own-requests.ts'
import type { TypedWish } from '../../access-requests/read-wish.ts'
import type { RequestDocument } from '../../access-requests/request-document.ts'
import { requestColumns, requestFacts, requestText } from '../../access-requests/request-text.ts'
import { TEMPLATE_COLUMNS, type TemplateDocument } from '../../access-requests/templates/template-document.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { printable } from '../../shared/text/printable.ts'
import type { Client } from '../client.ts'
import type { AddCommands, Context } from '../context.ts'
import { CliError } from '../exit.ts'
import { startOf, wishOf } from './request/wish.ts'

interface DecideOptions {
  readonly for?: string
  readonly at?: string
  readonly channel?: string[]
  readonly reason?: string
  readonly stdin?: true
}

interface ListOptions {
  readonly toDecide?: true
  readonly all?: true
  readonly user?: string
  readonly state?: string
  readonly after?: string
  readonly limit: string
}

/** Of one answer of the API. */
const PAGE = 1000

export const addRequests: AddCommands = (program, context) => {
  const { terminal } = context
  const noun = program.command('request').description('ask for access, and decide on what others ask for')
  const say = (request: RequestDocument) =>
    context.json ? terminal.json(request) : terminal.line(printable(requestText(request)))

  noun
    .command('create')
    .description('ask for an account for a time: root@web-01, or the least that serves')
    .argument('[account]', 'root@web-01; in place of it --target or --labels, with --level or --account')
    .option('--template <name>', 'by a template, which fills the rest in')
    .option('--target <target>', 'one target')
    .option('--labels <name=value...>', 'all targets with these labels that a role offers')
    .option('--targets <name...>', 'all of these names, which may end in *, that a role offers')
    .option('--level <level>', 'an account of this level: basic, power, admin or system')
    .option('--account <name>', 'the account of this name')
    .option('--role <role>', 'by this role, where several offer it')
    .option('--for <duration>', 'how long: 30m, 2h')
    .option('--at <time>', 'from then on: 2026-11-21T18:00, or 30m from now; not given: at once')
    .option('--channel <channel...>', 'these channels alone')
    .option('--database <name...>', 'these databases alone')
    .option('--reason <text>', 'why')
    .option('--ticket <id>', 'for which ticket')
    .option('--permanent', 'for good: what is approved becomes a proposed change of the rules')
    .action(async (account: string | undefined, options: TypedWish) => {
      const wish = wishOf(account, options, context.now())
      const client = await context.client()
      const answer = await client.send<{ request: RequestDocument; lower: { account: string; level: string } | null }>(
        'POST',
        '/v1/requests',
        wish,
      )
      if (context.json) return terminal.json(answer)
      terminal.line(printable(requestText(answer.request)))
      if (answer.lower !== null)
        terminal.note(
          `${answer.lower.account} (${answer.lower.level}) would do with less: ask for that, where it serves.`,
        )
    })

  noun
    .command('templates')
    .description('the templates by which one may ask; --all: all of them, with the scope read')
    .option('--all', 'all that there are')
    .action(async ({ all }: { all?: true }) => {
      const client = await context.client()
      const query = all === undefined ? {} : { view: 'all' }
      const answer = await client.get<{ templates: TemplateDocument[] }>('/v1/request-templates', query)
      if (context.json) terminal.json(answer)
      else terminal.table(TEMPLATE_COLUMNS, answer.templates, 'There is no template for you.')
    })

  noun
    .command('list')
    .description("one's own; --to-decide: those that wait for you; --all: of everybody, with the scope read")
    .option('--to-decide', 'those on which you may decide now')
    .option('--all', 'of everybody')
    .option('--user <user>', 'of all: of this user')
    .option('--state <state>', 'pending, approved, active, denied, expired, cancelled, ended or revoked')
    .option('--after <id>', 'behind this one in the list: the next page')
    .option('--limit <n>', 'at most so many', '100')
    .action(async (options: ListOptions) => {
      const all = options.all === true || options.user !== undefined
      if (all && options.toDecide) throw new CliError(EXIT.usage, 'Give --to-decide, or --all.')
      const view = all ? 'all' : options.toDecide ? 'to-decide' : 'mine'
      const { user, state, after, limit } = options
      const requests = await listRequests(
        await context.client(),
        { view, user, state },
        { after, limit: Number(limit) },
      )
      if (context.json) return terminal.json({ requests })
      const none = {
        mine: 'You have asked for nothing.',
        'to-decide': 'Nothing waits for you.',
        all: 'There are no requests.',
      }
      terminal.table(requestColumns(view !== 'mine'), requests, none[view])
      if (requests.length === Number(limit)) terminal.note(`There may be more: --after ${requests.at(-1)!.id}`)
    })

  noun
    .command('show')
    .description('one request: what it opens, who decides, what is unusual')
    .argument('<id>')
    .action(async (id: string) => {
      const details = await detailsOf(await context.client(), id)
      if (context.json) return terminal.json(details)
      terminal.facts(requestFacts(details))
      if (details.mayDecide)
        terminal.note(
          `To decide: sallyport request approve ${id}\n       or: sallyport request deny ${id} --reason ...`,
        )
    })

  noun
    .command('approve')
    .description('approve a request, all of it or less')
    .argument('<id>')
    .option('--for <duration>', 'for less time')
    .option('--at <time>', 'from a later time on')
    .option('--channel <channel...>', 'these channels of it alone')
    .option('--reason <text>')
    .option('--stdin', 'the one-time code from standard input')
    .action(async (id: string, { for: length, at, channel, reason, stdin }: DecideOptions) => {
      const startsAt = startOf(at, context.now())
      say(await decide(context, id, 'approve', { for: length, startsAt, channels: channel, reason }, stdin))
    })

  noun
    .command('deny')
    .description('deny a request')
    .argument('<id>')
    .requiredOption('--reason <text>', 'why')
    .option('--stdin', 'the one-time code from standard input')
    .action(async (id: string, { reason, stdin }: DecideOptions) => {
      say(await decide(context, id, 'deny', { reason }, stdin))
    })

  noun
    .command('cancel')
    .description("withdraw one's own request, or give back what was approved: sessions that rest on it end")
    .argument('<id>')
    .action(async (id: string) => say(await (await context.client()).send('POST', path(id, 'cancel'))))

  noun
    .command('revoke')
    .description(
      'take away what you have approved, or with the scope revoke-requests any; sessions that rest on it end',
    )
    .argument('<id>')
    .option('--reason <text>')
    .action(async (id: string, { reason }: { reason?: string }) =>
      say(await (await context.client()).send('POST', path(id, 'revoke'), { reason })),
    )

  noun
    .command('extend')
    .description("ask for more time for one's own request")
    .argument('<id>')
    .option('--for <duration>', 'how much more: 30m, 1h')
    .option('--reason <text>', 'why')
    .option('--ticket <id>', 'for which ticket')
    .action(async (id: string, options: { for?: string; reason?: string; ticket?: string }) =>
      say(await (await context.client()).send('POST', path(id, 'extend'), options)),
    )
}

/** As many pages as it takes. */
async function listRequests(
  client: Client,
  query: Readonly<Record<string, string | undefined>>,
  { after, limit }: { readonly after: string | undefined; readonly limit: number },
): Promise<RequestDocument[]> {
  if (!Number.isInteger(limit) || limit < 1) throw new CliError(EXIT.usage, '--limit is a number, 1 or more.')
  const all: RequestDocument[] = []
  for (let before = after; all.length < limit; before = all.at(-1)!.id) {
    const most = Math.min(PAGE, limit - all.length)
    const page = { ...query, before, limit: String(most) }
    const { requests } = await client.get<{ requests: RequestDocument[] }>('/v1/requests', page)
    all.push(...requests)
    if (requests.length < most) break
  }
  return all
}

async function decide(
  context: Context,
  id: string,
  what: 'approve' | 'deny',
  body: Record<string, unknown>,
  stdin: true | undefined,
): Promise<RequestDocument> {
  const { terminal } = context
  const client = await context.client()
  const { needsCode } = await detailsOf(client, id)
  if (!needsCode) return client.send('POST', path(id, what), body)
  const code = stdin ? await terminal.secretFromStdin() : await terminal.askSecret('One-time code: ')
  return client.send('POST', path(id, what), { ...body, code: code.reveal() })
}

function detailsOf(client: Client, id: string): Promise<Details> {
  return client.get<Details>(path(id))
}

function path(id: string, verb?: string): string {
  return `/v1/requests/${encodeURIComponent(id)}${verb === undefined ? '' : `/${verb}`}`
}
