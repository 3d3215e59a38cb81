/** Who counts as one source: limits and lockouts are per network, for IPv6 gives everyone billions of addresses. */

import { isIPv6 } from 'node:net'

/** An IPv4 address itself (also when it comes mapped into IPv6); of an IPv6 address the /64, which is one customer's. */
export function networkOf(address: string): string {
  const { ipv4, groups } = read(address)
  return groups === undefined ? ipv4 : `${groups.slice(0, 4).join(':')}::/64`
}

/** What one who has much of the address space may have: the /24 of an IPv4 address, the /48 of an IPv6 one (65,536 times a /64). */
export function widerNetworkOf(address: string): string {
  const { ipv4, groups } = read(address)
  if (groups !== undefined) return `${groups.slice(0, 3).join(':')}::/48`
  return /^\d+\.\d+\.\d+\.\d+$/.test(ipv4) ? ipv4.replace(/\d+$/, '0/24') : ipv4
}

/** The eight groups of an IPv6 address; of anything else the text. */
function read(address: string): { ipv4: string; groups?: never } | { ipv4?: never; groups: string[] } {
  const plain = address.replace(/%.*$/, '').toLowerCase()
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)
  if (mapped) return { ipv4: mapped[1]! }
  if (!isIPv6(plain)) return { ipv4: plain }
  // The URL parser spells an address in its one canonical form (RFC 5952), so that `::` is in a known place.
  const [head = '', tail] = new URL(`http://[${plain}]`).hostname.slice(1, -1).split('::')
  const groups = head === '' ? [] : head.split(':')
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length)
  const all = [...groups, ...Array<string>(missing).fill('0'), ...(tail ? tail.split(':') : [])]
  // An IPv4 address mapped into IPv6 and spelled in hexadecimal is that IPv4 address.
  if (all.slice(0, 6).join(':') === '0:0:0:0:0:ffff') {
    const [high = 0, low = 0] = all.slice(6).map(group => Number.parseInt(group, 16))
    return { ipv4: [high >> 8, high & 255, low >> 8, low & 255].join('.') }
  }
  return { groups: all }
}
