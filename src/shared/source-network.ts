/** Who counts as one source: limits and lockouts are per network, for IPv6 gives everyone billions of addresses. */

import { isIPv6 } from 'node:net'

/** An IPv4 address itself (also when it comes mapped into IPv6); of an IPv6 address the /64, which is one customer's. */
export function networkOf(address: string): string {
  const plain = address.replace(/%.*$/, '').toLowerCase()
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)
  if (mapped) return mapped[1]!
  if (!isIPv6(plain)) return plain
  // The URL parser spells an address in its one canonical form (RFC 5952), so that `::` is in a known place.
  const [head = '', tail] = new URL(`http://[${plain}]`).hostname.slice(1, -1).split('::')
  const groups = head === '' ? [] : head.split(':')
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length)
  const all = [...groups, ...Array<string>(missing).fill('0'), ...(tail ? tail.split(':') : [])]
  return `${all.slice(0, 4).join(':')}::/64`
}
