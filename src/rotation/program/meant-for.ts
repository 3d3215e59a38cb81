/** Which accounts the configuration means a program for: those alone whose credentials it may be told. */

import { type AccountAddress, formatAccountAddress } from '../../shared/names.ts'

/** `app@orders`; a `*` stands for any text. */
export function isMeantFor(patterns: readonly string[], address: AccountAddress): boolean {
  const text = formatAccountAddress(address)
  return patterns.some(pattern => matches(pattern, text))
}

function matches(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return pattern === text
  if (!text.startsWith(first)) return false
  let at = first.length
  for (const part of rest) {
    const found = text.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return text.length - last.length >= at && text.endsWith(last)
}
