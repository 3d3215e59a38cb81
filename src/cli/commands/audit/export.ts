/** `sallyport audit export`: the signed list of sessions and their recordings, for checking a folder without the gateway. */

import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import { EXIT } from '../../../shared/exit-codes.ts'
import { printable } from '../../../shared/text/printable.ts'
import type { Context } from '../../context.ts'
import { CliError } from '../../exit.ts'
import { writeNewFile } from '../../files/new-file.ts'
import { parseTime } from '../../terminal/time.ts'

interface Options {
  since?: string
  until?: string
  output?: string
}

export function addAuditExport(audit: Command, context: Context): void {
  const { terminal } = context
  audit
    .command('export')
    .description('write a signed list of sessions and their recordings, out of the audit log')
    .option('--since <time>', 'what the log says from this time on: 30d, 2026-11-21, 2026-11-21T18:00')
    .option('--until <time>', 'and before this time')
    .option('-o, --output <file>', 'where to; not given: stdout')
    .addHelpText(
      'after',
      `
It is compared with a folder, anywhere and without a gateway, by:
sallyport session verify FOLDER --against FILE --key KEY`,
    )
    .action(async ({ since, until, output }: Options) => {
      const now = context.now()
      const client = await context.client()
      const stream = await client.stream('/v1/audit/sessions', {
        since: since && parseTime(since, '--since', now),
        until: until && parseTime(until, '--until', now),
      })
      const content = Readable.from(untilItsEnd(stream), { objectMode: false })
      if (output === undefined) return pipeline(content, terminal.stdout, { end: false })
      await writeNewFile(output, content)
      if (context.json) terminal.json({ file: output })
      else terminal.note(`Wrote ${printable(output)}.`)
    })
}

/** Passes the list on, and fails where it has no signed end: a part must not be taken for the whole. */
async function* untilItsEnd(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let last = Buffer.alloc(0)
  try {
    for await (const chunk of stream) {
      last = Buffer.concat([last, chunk])
      last = last.subarray(last.lastIndexOf('\n', last.length - 2) + 1)
      yield chunk
    }
  } catch {
    throw new CliError(EXIT.broken, 'The list came only in part: the gateway stopped sending it.')
  }
  const { type, why } = JSON.parse(last.toString('utf8') || '{}') as { type?: string; why?: string }
  if (type === 'end') return
  throw new CliError(EXIT.no, why ?? 'The list came only in part.', 'Nothing was written.')
}
