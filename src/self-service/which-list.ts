/** Commands with two lists, of one's own and of what waits for one's decision: which of them, from where on, and whether there is more. */

import { MOST_LISTED } from '../access-requests/request.ts'
import { EXIT, type ExitCode } from '../shared/exit-codes.ts'
import type { Column } from '../shared/text/table.ts'
import { type Call, CommandError } from './command.ts'
import { toPerson } from './to-person.ts'

export type ListView = 'mine' | 'to-decide'

export const LIST_USAGE = '[mine | to-decide] [--after ID]'
export const LIST_OPTIONS = { after: { type: 'string' } } as const

export interface BothLists<T extends { readonly id: string }> {
  /** The command. */
  readonly name: string
  /** What its ids look like. */
  readonly id: RegExp
  readonly list: (view: ListView, page: { limit: number; before: string | undefined }) => Promise<readonly T[]>
  readonly columns: (view: ListView) => readonly Column<T>[]
  /** What is said in place of an empty list of one's own. `all`: both lists were asked for, and nothing waits either. */
  readonly noneOfMine: (all: boolean) => string
}

/** Throws CommandError. */
export async function showBothLists<T extends { readonly id: string }>(
  call: Call,
  of: BothLists<T>,
): Promise<ExitCode> {
  const { out } = call
  const { name, list, columns, noneOfMine } = of
  const { view, after } = readWhichList(call, of)
  const page = { limit: MOST_LISTED, before: after }
  const listed = (one: ListView) => (view === undefined || view === one ? list(one, page) : [])
  const [mine, toDecide] = await Promise.all([listed('mine'), listed('to-decide')]).catch(toPerson)
  const tables = {
    mine: () => out.table(columns('mine'), mine, noneOfMine(view === undefined && toDecide.length === 0)),
    toDecide: () => out.table(columns('to-decide'), toDecide, 'Nothing waits for you.'),
  }
  await out.show({ mine, toDecide }, () => bothLists({ name, view, mine, toDecide, tables }))
  return EXIT.ok
}

interface WhichList {
  /** Undefined: both. */
  readonly view: ListView | undefined
  readonly after: string | undefined
}

function readWhichList({ words: [view], options }: Call, of: { name: string; id: RegExp }): WhichList {
  if (view !== undefined && view !== 'mine' && view !== 'to-decide')
    throw new CommandError(EXIT.usage, `After "${of.name}" comes mine or to-decide, or nothing.`)
  const after = options.after as string | undefined
  if (after === undefined) return { view, after }
  if (view === undefined) throw new CommandError(EXIT.usage, `Say which list goes on: ${of.name} mine --after ID.`)
  if (!of.id.test(after))
    throw new CommandError(EXIT.usage, `--after is the id of a ${of.name.slice(0, -1)}, the last that was listed.`)
  return { view, after }
}

interface Lists {
  readonly name: string
  readonly view: ListView | undefined
  readonly mine: readonly { readonly id: string }[]
  readonly toDecide: readonly { readonly id: string }[]
  /** As tables; those of nothing are a sentence. */
  readonly tables: { readonly mine: () => readonly string[]; readonly toDecide: () => readonly string[] }
}

/** What waits for one comes first, and is left out where nothing does and nobody asked for it. */
function bothLists({ name, view, mine, toDecide, tables }: Lists): string[] {
  const waits = toDecide.length > 0
  return [
    ...(waits ? ['Waiting for you:', ...tables.toDecide(), ...more(name, 'to-decide', toDecide)] : []),
    ...(view === 'to-decide' && !waits ? tables.toDecide() : []),
    ...(view === undefined && waits ? [''] : []),
    ...(view === 'to-decide' ? [] : [...tables.mine(), ...more(name, 'mine', mine)]),
  ]
}

/** A list that is as long as one may be has perhaps not all. */
function more(name: string, view: ListView, listed: readonly { readonly id: string }[]): string[] {
  return listed.length < MOST_LISTED ? [] : [`There may be more: ${name} ${view} --after ${listed.at(-1)!.id}`]
}
