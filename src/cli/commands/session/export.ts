/** `sallyport session export`: a recording in the formats of others, or its sealed file as it is. */

import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Command, Option } from 'commander'
import { decodeEventLines } from '../../../recording/rendering/event-lines.ts'
import { exportCast, exportJsonLines, exportText } from '../../../recording/rendering/export.ts'
import { EXIT } from '../../../shared/exit-codes.ts'
import { printable } from '../../../shared/text/printable.ts'
import type { Client } from '../../client.ts'
import type { Context } from '../../context.ts'
import { CliError } from '../../exit.ts'
import { writeNewFile } from '../../files/new-file.ts'
import { pathOfOrLast } from './path.ts'

const FORMATS = ['cast', 'jsonl', 'text', 'raw'] as const
type Format = (typeof FORMATS)[number]

interface ExportOptions {
  format: Format
  output?: string
  reveal?: true
  revealStatements?: true
}

export function addExport(session: Command, context: Context): void {
  const { terminal } = context
  session
    .command('export')
    .description('write a recording as a file')
    .argument('<session>', 'its id, or last')
    .addOption(new Option('--format <format>', 'see below').choices(FORMATS).default('text'))
    .option('-o, --output <file>', 'where to; not given: stdout')
    .option('--reveal', 'with what is hidden in it; needs the scope reveal, and is audited')
    .addOption(new Option('--reveal-statements', 'the earlier name of --reveal').hideHelp())
    .addHelpText(
      'after',
      `
Formats:
  cast   for asciinema and its players
  jsonl  every event as a line of JSON
  text   what was on the screen, and a transcript
  raw    the sealed, encrypted file as it is, for \`session verify\` anywhere`,
    )
    .action(async (id: string, { format, output, reveal, revealStatements }: ExportOptions) => {
      if (format === 'raw' && output === undefined && terminal.width !== undefined)
        throw new CliError(EXIT.usage, 'A raw recording is no text for a terminal.', 'Name a file with -o FILE.')
      const client = await context.client()
      const events = reveal === true || revealStatements === true ? 'revealed' : 'events'
      const content = await contentOf(client, await pathOfOrLast(id, client), format, events)
      if (output === undefined) return pipeline(content, terminal.stdout, { end: false })
      await writeNewFile(output, content)
      if (context.json) terminal.json({ session: id, format, file: output })
      else terminal.note(`Wrote ${printable(output)}.`)
    })
}

async function contentOf(
  client: Client,
  path: string,
  format: Format,
  events: 'events' | 'revealed',
): Promise<Readable> {
  if (format === 'raw') return client.stream(`${path}/recording`)
  const stream = await decodeEventLines(await client.stream(`${path}/${events}`, { purpose: 'export' }))
  const { subject } = stream
  switch (format) {
    case 'cast':
      return Readable.from(exportCast(subject, stream))
    case 'jsonl':
      return Readable.from(exportJsonLines(subject, stream))
    case 'text':
      return Readable.from(exportText(subject, stream))
  }
}
