/** Commands with two lists, of one's own and of what waits for one's decision: which of them, from where on, and whether there is more. */

import { MOST_LISTED } from '../access-requests/request.ts'
import { EXIT } from '../shared/exit-codes.ts'
import { type Call, CommandError } from './command.ts'

export type ListView = 'mine' | 'to-decide'

export const LIST_USAGE = '[mine | to-decide] [--after ID]'
export const LIST_OPTIONS = { after: { type: 'string' } } as const

export interface WhichList {
  /** Undefined: both. */
  readonly view: ListView | undefined
  readonly after: string | undefined
}

/** `of`: the command, and what its ids look like. Throws CommandError. */
export function readWhichList({ words: [view], options }: Call, of: { name: string; id: RegExp }): WhichList {
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
export function bothLists({ name, view, mine, toDecide, tables }: Lists): string[] {
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
