/** The audit log in the store, checked by the gateway; what was sent out is held against it here. */

import type { AuditVerdict, EventHash } from '../../../api/routes/audit.ts'
import { EXIT } from '../../../shared/exit-codes.ts'
import { printable } from '../../../shared/text/printable.ts'
import type { Client } from '../../client.ts'
import type { Context } from '../../context.ts'
import { CliError } from '../../exit.ts'
import { compareHeads, readHeads } from '../../files/heads.ts'
import { publicKeyOf } from '../../files/public-key.ts'
import type { VerifyOptions } from './verify-options.ts'

/** A request's body is small. */
const HASHES_AT_ONCE = 500

export async function verifyStored(
  { key, checkpoint, heads: files, tsaCa }: VerifyOptions,
  context: Context,
): Promise<void> {
  const { terminal } = context
  // Before the log: a head that is sent out meanwhile is not asked for.
  const sent = files === undefined ? undefined : await readHeads(files, await publicKeyOf(key, context), tsaCa)
  const client = await context.client()
  const verdict = await client.send<AuditVerdict>(
    'POST',
    '/v1/audit/verify',
    checkpoint === undefined ? {} : { checkpoint },
  )
  const hashes = await hashesOf(client, [...new Set(sent?.heads.map(({ seq }) => seq))])
  const end = verdict.ok ? verdict.head.seq : verdict.end
  const against = sent === undefined ? [] : [...sent.problems, ...compareHeads(sent.heads, end, seq => hashes.get(seq))]
  if (context.json)
    terminal.json({ ...verdict, ...(sent && { heads: { checked: sent.heads.length, problems: against } }) })
  else {
    if (verdict.ok) {
      terminal.line(`${terminal.style('green', 'whole')}: ${verdict.events} events, each signed and in its place.`)
      terminal.line(terminal.style('dim', `checkpoint ${verdict.head.seq}:${verdict.head.hash}`))
    }
    for (const problem of against) terminal.line(`${terminal.style('red', 'bad')}  ${printable(problem)}`)
    for (const note of sent?.notes ?? []) terminal.line(printable(note))
    if (sent !== undefined && against.length === 0)
      terminal.line(`${sent.heads.length} heads that were sent out are in it.`)
  }
  if (!verdict.ok) {
    throw new CliError(
      EXIT.no,
      `The audit log is not whole: ${verdict.message}.`,
      `The first ${verdict.events} events are good; event ${verdict.seq} is the first that is not.`,
    )
  }
  if (against.length > 0) throw new CliError(EXIT.no, 'The audit log is not the one whose heads were sent out.')
}

async function hashesOf(client: Client, seqs: readonly number[]): Promise<Map<number, string>> {
  const found = new Map<number, string>()
  for (let from = 0; from < seqs.length; from += HASHES_AT_ONCE) {
    const some = seqs.slice(from, from + HASHES_AT_ONCE)
    const { hashes } = await client.send<{ hashes: EventHash[] }>('POST', '/v1/audit/hashes', { seqs: some })
    for (const { seq, hash } of hashes) found.set(seq, hash)
  }
  return found
}
