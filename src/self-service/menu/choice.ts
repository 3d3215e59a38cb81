/** What the menu is about: the accounts there are, what is searched for, and which one is chosen. Pure: a key in, the next state out. */

import type { Entry } from '../reachable-first.ts'
import type { Key } from './keys.ts'

export interface Choice {
  readonly entries: readonly Entry[]
  readonly search: string
  /** Of the entries those that are searched for. */
  readonly found: readonly Entry[]
  readonly selected: number
  /** The first that is shown. */
  readonly top: number
}

export type LoginRequest =
  | { readonly wants: 'nothing' }
  | { readonly wants: 'leave' }
  | { readonly wants: 'refresh' }
  | { readonly wants: 'connect' | 'favourite' | 'check-out'; readonly entry: Entry }

/** Keys that change what is searched for. */
const TYPING: ReadonlySet<Key['kind']> = new Set(['text', 'backspace', 'erase-word', 'erase-line'])

/** A longer one finds nothing more. */
const MOST_SEARCHED = 100

export const NO_CHOICE: Choice = { entries: [], search: '', found: [], selected: 0, top: 0 }

/** The entry that was chosen stays so, where it is still there. */
export function withEntries(choice: Choice, entries: readonly Entry[]): Choice {
  const address = choice.found[choice.selected]?.address
  const anew = searched({ ...choice, entries }, choice.search)
  const selected = choice.selected === 0 ? 0 : anew.found.findIndex(entry => entry.address === address)
  return { ...anew, selected: Math.max(0, selected), top: choice.top }
}

/** So many keys are taken at once: whoever sends more waits, and not everybody else. */
const MOST_KEYS = 256

export interface Pressed {
  readonly choice: Choice
  readonly wish: LoginRequest
  /** Keys that were not taken yet: among very many accounts each search takes its time. */
  readonly rest: readonly Key[]
}

/**
 * `rows`: how many are shown at once. Text is put behind the search before anything is looked for: a paste is looked for once, and for a second
 * search there is a next time.
 */
export function press(choice: Choice, keys: readonly Key[], rows: number): Pressed {
  let { search, selected } = choice
  let now = choice
  let looked = false
  for (const [index, key] of keys.entries()) {
    if (index === MOST_KEYS || (looked && TYPING.has(key.kind))) {
      return {
        choice: inView(settled(now, search, selected), rows),
        wish: { wants: 'nothing' },
        rest: keys.slice(index),
      }
    }
    if (key.kind === 'text') search = bounded(search + key.text)
    else if (key.kind === 'backspace') search = [...search].slice(0, -1).join('')
    else if (key.kind === 'erase-word') search = search.replace(/\S*\s*$/, '')
    else if (key.kind === 'erase-line') search = ''
    else {
      looked ||= search !== now.search
      now = settled(now, search, selected)
      const { found } = now
      if (key.kind === 'escape' && search !== '') search = ''
      else if (key.kind === 'escape' || key.kind === 'interrupt' || key.kind === 'end-of-input') {
        return { choice: now, wish: { wants: 'leave' }, rest: [] }
      } else if (key.kind === 'refresh') return { choice: now, wish: { wants: 'refresh' }, rest: [] }
      else if (key.kind === 'enter' || key.kind === 'favourite' || key.kind === 'check-out') {
        const entry = found[now.selected]
        if (entry === undefined) continue
        const wants = key.kind === 'enter' ? 'connect' : key.kind
        return { choice: inView(now, rows), wish: { wants, entry }, rest: [] }
      } else {
        const step = { up: -1, down: 1, 'page-up': -rows, 'page-down': rows, first: -found.length, last: found.length }
        selected = Math.max(0, Math.min(found.length - 1, now.selected + step[key.kind]))
        now = { ...now, selected }
      }
      ;({ selected } = now)
    }
  }
  return { choice: inView(settled(now, search, selected), rows), wish: { wants: 'nothing' }, rest: [] }
}

/** With the chosen one among those that are shown. */
export function inView(choice: Choice, rows: number): Choice {
  const { selected, found } = choice
  const most = Math.max(0, found.length - rows)
  const top = Math.min(most, Math.max(selected - rows + 1, Math.min(choice.top, selected)))
  return top === choice.top ? choice : { ...choice, top }
}

function settled(choice: Choice, search: string, selected: number): Choice {
  return search === choice.search ? { ...choice, selected } : searched(choice, search)
}

function searched(choice: Choice, search: string): Choice {
  const words = search.split(/\s+/).filter(word => word !== '')
  const found = words.length === 0 ? choice.entries : choice.entries.filter(entry => entry.matches(words))
  return { ...choice, search, found, selected: 0, top: 0 }
}

/** Printable characters alone: what is searched for is shown. */
function bounded(text: string): string {
  return [...text.slice(0, 4 * MOST_SEARCHED).replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, ' ')]
    .slice(0, MOST_SEARCHED)
    .join('')
}
