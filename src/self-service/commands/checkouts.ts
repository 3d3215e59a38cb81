import type { CheckOutDocument } from '../../check-out/check-out.ts'
import { untilMinute } from '../../check-out/words.ts'
import { EXIT, type ExitCode } from '../../shared/exit-codes.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import { isoMinute } from '../../shared/text/iso-time.ts'
import type { Call, Command } from '../command.ts'

export const checkouts: Command = {
  name: 'checkouts',
  summary: 'the accounts that you have, had lately, and wait for',
  usage: '',
  words: { least: 0, most: 0 },
  run: listCheckOuts,
}

export async function listCheckOuts({ parts, login, out }: Call): Promise<ExitCode> {
  const document = await parts.checkOutsOf(login).list()
  await out.show(document, () => {
    const rows = [
      ...document.waiting.map(one => ({
        ...one,
        state: one.offeredUntil === null ? 'waiting' : 'your turn',
        until: one.offeredUntil === null ? '' : isoMinute(Date.parse(one.offeredUntil)),
        way: '',
        why: '',
      })),
      ...document.checkOuts.map(one => ({
        ...one,
        state: stateOf(one),
        until: untilMinute(one),
        why: whyOf(one),
      })),
    ]
    return out.table(
      [
        { title: 'ACCOUNT', value: one => formatAccountAddress(one), shrinkTo: 16 },
        { title: 'STATE', value: one => one.state },
        { title: 'UNTIL', value: one => one.until },
        { title: 'WAY', value: one => one.way, optional: 2 },
        { title: 'WHY', value: one => one.why, shrinkTo: 8, optional: 1, unlessEmpty: true },
      ],
      rows,
      'You have no account checked out.',
    )
  })
  return EXIT.ok
}

function stateOf({ endReason, mode, revealedAt }: CheckOutDocument): string {
  if (endReason !== null) return endReason
  return revealedAt === null ? (mode === 'shared' ? 'yours, shared' : 'yours') : 'yours, seen'
}

function whyOf({ ticket, reason }: CheckOutDocument): string {
  return [ticket, reason].filter(text => text !== null).join(' ')
}
