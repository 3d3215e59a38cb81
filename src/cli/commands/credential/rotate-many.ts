/** `sallyport credential rotate --selector …`: has many accounts rotated, and shows how far that has come. It goes on whoever leaves. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { RotationBatch, RotationBatchEntry, SelectedAccounts } from '../../../api/routes/rotation-batches.ts'
import { EXIT } from '../../../shared/exit-codes.ts'
import { printable } from '../../../shared/text/printable.ts'
import { cut } from '../../../shared/text/width.ts'
import type { Context } from '../../context.ts'
import { CliError } from '../../exit.ts'
import { nextStep } from '../../next-step.ts'
import type { Terminal } from '../../terminal/terminal.ts'

export interface ManyOptions {
  selector?: string[]
  targets?: string[]
  accounts?: string[]
  parallel?: string
  stopAfter?: string
  dryRun?: boolean
  detach?: boolean
}

type Followed = RotationBatch & { ended: RotationBatchEntry[] }

const LOOK_MS = 500

export async function rotateMany(context: Context, options: ManyOptions): Promise<void> {
  const { terminal } = context
  if (options.selector === undefined && options.targets === undefined)
    throw new CliError(EXIT.usage, 'Name an account, or select targets with --selector or --targets.')
  const client = await context.client()
  const selection = {
    ...(options.selector === undefined ? {} : { labels: labelsOf(options.selector) }),
    ...(options.targets === undefined ? {} : { targets: options.targets.flatMap(words) }),
    ...(options.accounts === undefined ? {} : { accounts: options.accounts.flatMap(words) }),
  }
  if (options.dryRun) {
    const { accounts } = await client.send<SelectedAccounts>('POST', '/v1/rotation-batches/select', { selection })
    if (context.json) return terminal.json({ accounts })
    const columns = [
      { title: 'ACCOUNT', value: (each: SelectedAccounts['accounts'][number]) => each.account, shrinkTo: 16 },
      { title: 'POLICY', value: (each: SelectedAccounts['accounts'][number]) => each.policy ?? 'none', shrinkTo: 10 },
    ]
    terminal.table(columns, accounts, 'The vault has no credential of an account that is selected.')
    if (accounts.length > 0) terminal.line(`${accounts.length} would be rotated; nothing was done.`)
    return
  }
  const batch = await client.send<RotationBatch>('POST', '/v1/rotation-batches', {
    selection,
    ...(options.parallel === undefined ? {} : { parallel: countOf(options.parallel, '--parallel') }),
    ...(options.stopAfter === undefined ? {} : { stopAfter: countOf(options.stopAfter, '--stop-after') }),
  })
  if (options.detach) {
    if (context.json) return terminal.json(batch)
    return terminal.line(`Batch ${batch.id} has begun; see: ${nextStep(context, `credential batch show ${batch.id}`)}`)
  }
  await followBatch(context, batch.id)
}

/** Until it is over. The exit code is 1 where an account was not rotated. */
export async function followBatch(context: Context, id: string): Promise<void> {
  const { terminal, json } = context
  const client = await context.client()
  const progress = createProgress(terminal)
  const left = () => {
    progress.clear()
    terminal.note(`The batch goes on. See: ${nextStep(context, `credential batch show ${id}`)}`)
    terminal.note(`Stop it with: ${nextStep(context, `credential batch stop ${id}`)}`)
    process.exit(EXIT.no)
  }
  terminal.signals.on('SIGINT', left)
  try {
    let afterPlace = 0
    for (;;) {
      const batch = await client.get<Followed>(`/v1/rotation-batches/${id}`, { afterPlace })
      afterPlace = batch.ended.at(-1)?.place ?? afterPlace
      if (!json) {
        progress.clear()
        for (const entry of batch.ended) if (!progress.shown || entry.state !== 'rotated') terminal.line(lineOf(entry))
      }
      // What has begun comes to its end also after a stop.
      if (batch.state !== 'running' && batch.counts.running === 0 && batch.ended.length === 0) {
        if (json) terminal.json(batch)
        else terminal.line(`${summaryOf(batch)}.`)
        if (batch.counts.failed > 0 || batch.state === 'stopped') throw new CliError(EXIT.no, '')
        return
      }
      if (!json) progress.show(summaryOf(batch))
      if (batch.ended.length === 0) await sleep(LOOK_MS)
    }
  } finally {
    terminal.signals.off('SIGINT', left)
  }
}

/** `7 of 40 rotated, 1 failed, 4 at work`; `3 of 40 rotated, 37 not begun; stopped by owner` */
export function summaryOf({ counts, state, words: why }: RotationBatch): string {
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0)
  const parts = [
    `${counts.rotated} of ${all} rotated`,
    ...(counts.failed > 0 ? [`${counts.failed} failed`] : []),
    ...(counts.waits > 0 ? [`${counts.waits} when they are returned`] : []),
    ...(counts.open > 0 ? [`${counts.open} go on by themselves`] : []),
    ...(counts.running > 0 ? [`${counts.running} at work`] : []),
    ...(state === 'stopped' && counts.waiting > 0 ? [`${counts.waiting} not begun`] : []),
  ]
  const end = why.startsWith('stopped') ? printable(why) : 'stopped'
  return `${parts.join(', ')}${state === 'stopped' ? `; ${end}` : ''}`
}

export function lineOf({ account, state, words: why }: RotationBatchEntry): string {
  return `${state.padEnd(7)}  ${printable(account)}${why === '' ? '' : `  ${printable(why)}`}`
}

/** One line that is written again, where somebody looks at a terminal; nothing elsewhere. */
function createProgress(terminal: Terminal) {
  const shown = terminal.width !== undefined && terminal.env.TERM !== 'dumb'
  let isThere = false
  return {
    shown,
    clear(): void {
      if (isThere) terminal.stdout.write('\r\u001b[K')
      isThere = false
    },
    show(text: string): void {
      if (!shown) return
      terminal.stdout.write(terminal.style('dim', cut(text, terminal.width! - 1)))
      isThere = true
    },
  }
}

/** `env=production,team=web` */
function labelsOf(selectors: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    selectors.flatMap(words).map(text => {
      const at = text.indexOf('=')
      if (at < 1 || at === text.length - 1)
        throw new CliError(
          EXIT.usage,
          `--selector: "${text}" is not a label and its value, for example env=production.`,
        )
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
}

function words(text: string): string[] {
  return text.split(',').filter(word => word !== '')
}

function countOf(text: string, option: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new CliError(EXIT.usage, `${option}: "${text}" is not a number from 1 on.`)
  return Number(text)
}
