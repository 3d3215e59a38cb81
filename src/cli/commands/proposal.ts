/** `sallyport proposal`: changes of the rules that wait for a second person. */

import {
  effectLines,
  PROPOSAL_COLUMNS,
  type ProposalDetails,
  type ProposalDocument,
  proposalFacts,
  proposalText,
} from '../../proposals/proposal-document.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { printable } from '../../shared/text/printable.ts'
import type { Client } from '../client.ts'
import type { AddCommands, Context } from '../context.ts'
import { CliError } from '../exit.ts'
import { coloured } from '../terminal/coloured-plan.ts'

export const addProposals: AddCommands = (program, context) => {
  const { terminal } = context
  const noun = program.command('proposal').description('changes of the rules that wait for a second person')
  const say = (proposal: ProposalDocument) =>
    context.json ? terminal.json(proposal) : terminal.line(printable(proposalText(proposal)))

  noun
    .command('list')
    .description("one's own, or with the scope read all; --to-decide: those that wait for you")
    .option('--to-decide', 'those on which you may decide now')
    .option('--all', 'of everybody')
    .option('--state <state>', 'pending, applied, denied, withdrawn, expired or outdated')
    .option('--after <id>', 'behind this one in the list: the next page')
    .option('--limit <n>', 'at most so many, up to 1000', '100')
    .action(async (options: { toDecide?: true; all?: true; state?: string; after?: string; limit: string }) => {
      if (options.all && options.toDecide) throw new CliError(EXIT.usage, 'Give --to-decide, or --all.')
      const { state, after: before, limit } = options
      const view = options.all ? 'all' : options.toDecide ? 'to-decide' : undefined
      const client = await context.client()
      const answer = await client.get<{ proposals: ProposalDocument[] }>('/v1/proposals', {
        view,
        state,
        before,
        limit,
      })
      if (context.json) return terminal.json(answer)
      terminal.table(
        PROPOSAL_COLUMNS,
        answer.proposals,
        options.toDecide ? 'Nothing waits for you.' : 'There are no proposals.',
      )
      if (answer.proposals.length === Number(limit))
        terminal.note(`There may be more: --after ${answer.proposals.at(-1)!.id}`)
    })

  noun
    .command('show')
    .description('one proposal: what it changes, what it gives, which sessions it would have refused')
    .argument('<id>')
    .action(async (id: string) => {
      const client = await context.client()
      const details = await wholeOf(client, id)
      if (context.json) return terminal.json(details)
      terminal.facts(proposalFacts(details))
      terminal.line('')
      for (const line of details.lines) terminal.line(coloured(terminal, printable(line)))
      terminal.line('')
      for (const line of effectLines(details.effect)) terminal.line(printable(line))
    })

  noun
    .command('approve')
    .description('approve a change; with the last approval that it needs, it is applied')
    .argument('<id>')
    .option('--reason <text>')
    .option('--stdin', 'the one-time code from standard input')
    .action(async (id: string, { reason, stdin }: { reason?: string; stdin?: true }) => {
      say(await decide(context, id, 'approve', { reason }, stdin))
    })

  noun
    .command('deny')
    .description('deny a change')
    .argument('<id>')
    .requiredOption('--reason <text>', 'why')
    .option('--stdin', 'the one-time code from standard input')
    .action(async (id: string, { reason, stdin }: { reason: string; stdin?: true }) => {
      say(await decide(context, id, 'deny', { reason }, stdin))
    })

  noun
    .command('withdraw')
    .description("withdraw one's own proposal; the owner may withdraw any")
    .argument('<id>')
    .action(async (id: string) => say(await (await context.client()).send('POST', path(id, 'withdraw'))))
}

/** All lines of it: they come some at a time. */
async function wholeOf(client: Client, id: string): Promise<ProposalDetails> {
  const details = await client.get<ProposalDetails>(path(id))
  const lines = [...details.lines]
  while (lines.length < details.lineCount) {
    const more = await client.get<ProposalDetails>(path(id), { from: String(lines.length) })
    if (more.lines.length === 0) break
    lines.push(...more.lines)
  }
  return { ...details, lines }
}

async function decide(
  { client: open, terminal }: Context,
  id: string,
  what: 'approve' | 'deny',
  body: Record<string, unknown>,
  stdin: true | undefined,
): Promise<ProposalDocument> {
  const client = await open()
  const { mayDecide } = await client.get<ProposalDetails>(path(id))
  // Else there is no code to ask for: the answer says why, or it is decided by a right.
  if (!mayDecide) return client.send('POST', path(id, what), body)
  const code = stdin ? await terminal.secretFromStdin() : await terminal.askSecret('One-time code: ')
  return client.send('POST', path(id, what), { ...body, code: code.reveal() })
}

function path(id: string, verb?: string): string {
  return `/v1/proposals/${encodeURIComponent(id)}${verb === undefined ? '' : `/${verb}`}`
}
