/** A plan as lines of plain text, as `sallyport apply` and the audit log show it. */

import { formatAccountAddress } from '../shared/names.ts'
import { markUnseen, visibleName } from '../shared/text/unseen.ts'
import type { Difference } from './difference.ts'
import type { Plan, ResourceChange } from './plan.ts'

const SHOWN_CHARACTERS = 100
const SIGNS = { create: '+', update: '~', delete: '-' } as const

/**
 * What a changed resource's line begins with tells the action: `+` new, `~` changed, `-` gone. Never empty. `waiting`: accounts whose
 * credential is not lent for the changed target until somebody confirms it.
 */
export function formatPlan(
  { changes, unchanged, unmanaged, sameLogins }: Plan,
  waiting: readonly string[] = [],
): string[] {
  const lines = changes.flatMap(change => formatChange(change))
  for (const group of sameLogins) {
    const names = group.map(formatAccountAddress).join(', ')
    lines.push(`! the same login at one server: ${names}; who has one of them checked out alone has all of them`)
  }
  for (const account of waiting) {
    lines.push(`! credential ${account} must be confirmed: sallyport credential confirm ${account}`)
  }
  if (unmanaged.length > 0) {
    const names = unmanaged.map(({ kind, name }) => `${kind} ${name}`).join(', ')
    lines.push(`Kept, though no file speaks of them (--prune deletes them): ${names}`)
  }
  const counted = (action: ResourceChange['action']) => changes.filter(change => change.action === action).length
  lines.push(
    changes.length === 0
      ? `Nothing to change: ${unchanged} ${unchanged === 1 ? 'resource is' : 'resources are'} as the files say.`
      : `${counted('create')} new, ${counted('update')} changed, ${counted('delete')} deleted, ${unchanged} unchanged.`,
  )
  return lines
}

/** `longest`: what is longer is cut. Of a change that somebody decides on nothing is. */
export function formatChange(
  { kind, name, action, differences }: ResourceChange,
  longest = SHOWN_CHARACTERS,
): string[] {
  const head = `${SIGNS[action]} ${kind} ${name}`
  // Of what is gone, its name says enough.
  return action === 'delete'
    ? [head]
    : [head, ...differences.filter(({ path }) => path !== 'name').map(one => formatDifference(one, longest))]
}

function formatDifference({ path, before, after }: Difference, longest: number): string {
  const printable = (text: string) => printableUpTo(text, longest)
  if (before === undefined) return `    + ${path}: ${printable(after!)}`
  return after === undefined
    ? `    - ${path}: ${printable(before)}`
    : `    ~ ${path}: ${printable(before)} → ${printable(after)}`
}

/** Files hold what people put there: nothing of it may steer a terminal. Long texts (certificates) are cut. */
function printableUpTo(text: string, longest: number): string {
  const seen = text.replace(/\p{Cc}+/gu, ' ').trim()
  // Empty, or spaces and line ends alone.
  if (seen === '') return JSON.stringify(text)
  const tame = markUnseen(seen, visibleName)
  return tame.length > longest ? `${tame.slice(0, longest - 1)}…` : tame
}
