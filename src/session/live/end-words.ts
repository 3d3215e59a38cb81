/** What people are told of the end of their session: what ends, when, why, and how there is more. */

import type { EndsBy, Grant, GrantEnd } from '../../policy/grant.ts'
import { formatAccountAddress } from '../../shared/names.ts'

export interface EndWords {
  readonly text: string
  readonly short: string
}

type Of = Pick<Grant, 'account' | 'target' | 'request'>

/** `time`: now; `leftMs` may be less than by the clock, where that was set. */
export function warningWords(of: Of, end: GrantEnd, time: number, leftMs: number): EndWords {
  return endWords(of, 'ends', whyText(of, end.endsBy), moreText(end), whenText(time, leftMs))
}

/** The end was moved, by more time that was approved or by what was changed for them. */
export function movedWords(of: Of, end: GrantEnd, time: number, leftMs: number): EndWords {
  return endWords(of, 'now ends', whyText(of, end.endsBy), moreText(end), whenText(time, leftMs))
}

/** It ends with its person's check-out of the account. */
export function checkOutWarning(of: Of & Pick<Grant, 'user'>, time: number, leftMs: number): EndWords {
  const more = `\nFor more time: ssh ${of.user}@gateway extend ${addressText(of)}`
  return endWords(of, 'ends', 'your check-out of the account is over', more, whenText(time, leftMs))
}

function endWords(of: Of, ends: string, why: string, more: string, when: string): EndWords {
  const text = `Sallyport: this session on ${addressText(of)} ${ends} ${when}, when ${why}.${more}`
  return { text, short: `Sallyport: ends ${when}` }
}

function addressText({ account, target }: Of): string {
  return formatAccountAddress({ account: account.name, target: target.name })
}

/** `at 14:05:20 UTC, in 5 minutes` */
function whenText(time: number, leftMs: number): string {
  return `at ${new Date(time + leftMs).toISOString().slice(11, 19)} UTC, in ${leftText(leftMs)}`
}

function leftText(leftMs: number): string {
  const seconds = Math.max(1, Math.round(leftMs / 1000))
  // A tick late, it is still five minutes.
  const minutes = Math.round(seconds / 60)
  if (seconds < 58) return counted(seconds, 'second')
  return minutes < 120
    ? counted(minutes, 'minute')
    : `${Math.floor(minutes / 60)} hours ${counted(minutes % 60, 'minute')}`
}

function counted(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

function whyText({ request }: Of, by: EndsBy): string {
  switch (by) {
    case 'request':
      return `the access that ${request} gives is over`
    case 'hours':
      return 'the hours of your role are over'
    case 'maximum-time':
      return 'its maximum time is over'
  }
}

function moreText({ more, endsBy }: GrantEnd): string {
  if (more !== undefined) return `\nFor more time: ${more}`
  return endsBy === 'maximum-time' ? '\nFor more time, log in again.' : ''
}
