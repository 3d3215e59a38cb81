/** Networks in CIDR notation, and whether an address lies in one. */

import { BlockList, isIP } from 'node:net'

interface Network {
  readonly address: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

/** Reads `10.0.0.0/8`, `2001:db8::/32` or a single address; undefined when it is none. */
export function parseNetwork(text: string): Network | undefined {
  const [given = '', length, ...rest] = text.split('/')
  if (isIP(given) === 0 || given.includes('%') || rest.length > 0) return undefined
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return undefined
  const address = normalizeAddress(given)
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
  const bits = isIP(given) === 4 ? 32 : 128
  let prefix = length === undefined ? bits : Number(length)
  if (prefix > bits) return undefined
  if (bits === 128 && family === 'ipv4') prefix -= 96
  return prefix < 0 ? undefined : { address, prefix, family }
}

/** Whether the address lies in one of the networks. A text that is no address lies in none; a bad network holds nothing. */
export function inNetworks(networks: readonly string[], address: string): boolean {
  const normal = normalizeAddress(address)
  const version = isIP(normal)
  if (version === 0) return false
  const family = version === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  for (const network of networks.map(parseNetwork)) {
    // A BlockList would find IPv4 addresses in IPv6 networks such as ::/0 too.
    if (network?.family === family) list.addSubnet(network.address, network.prefix, family)
  }
  return list.check(normal, family)
}

/** `::ffff:10.1.2.3`, as a socket that listens on both families names an IPv4 peer, becomes `10.1.2.3`; zones are cut off. */
export function normalizeAddress(address: string): string {
  const bare = address.replace(/%.*$/, '')
  if (isIP(bare) !== 6) return bare
  // The URL parser writes an IPv6 address in its one shortest form.
  const canonical = new URL(`http://[${bare}]`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical)
  if (mapped === null) return canonical
  const high = Number.parseInt(mapped[1]!, 16)
  const low = Number.parseInt(mapped[2]!, 16)
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}
