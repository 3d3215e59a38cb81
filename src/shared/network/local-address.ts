/** Which addresses belong to a machine itself, or to its own network segment, whatever they are spelled like. */

import { isIP } from 'node:net'

export type LocalKind = 'loopback' | 'unspecified' | 'link-local' | 'cloud metadata'

/** Names that every system resolves to itself (RFC 6761 §6.3), and those that Debian's and Red Hat's /etc/hosts add. */
const OWN_NAMES =
  /^(?:(?:.+\.)?localhost|localhost\.localdomain|localhost4(?:\.localdomain4)?|localhost6(?:\.localdomain6)?|ip6-(?:localhost|loopback))$/

/** At which clouds answer with credentials, beside the link-local 169.254.169.254: AWS, Google, Oracle, Scaleway; Alibaba, Azure, Oracle. */
const METADATA = [
  ...['fd00:ec2::254', 'fd20:ce::254', 'fd00:c1::a9fe:a9fe', 'fd00:42::42'],
  ...['100.100.100.200', '168.63.129.16', '192.0.0.192'],
].map(address => bytesOf(address).toString('hex'))

/** What an IPv4 or IPv6 address is, as `isIP` accepts them; undefined: it is an address of another machine, as far as that can be known. */
export function localKind(address: string): LocalKind | undefined {
  const bytes = bytesOf(address)
  if (bytes.length === 4) return kindOfIPv4(bytes)
  if (METADATA.includes(bytes.toString('hex'))) return 'cloud metadata'
  if (bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80) return 'link-local'
  if (isZero(bytes.subarray(0, 15))) {
    if (bytes[15] === 0) return 'unspecified'
    if (bytes[15] === 1) return 'loopback'
  }
  const inside = embeddedIPv4(bytes)
  return inside && kindOfIPv4(inside)
}

/** The same text for the same address: an IPv4-mapped one is the IPv4 one. */
export function canonicalAddress(address: string): string {
  const bytes = bytesOf(address)
  return (isMapped(bytes) ? bytes.subarray(12) : bytes).toString('hex')
}

/** What a host is by its text alone: an address in any spelling, or a name that means the machine itself. */
export function localKindOfHost(host: string): LocalKind | undefined {
  const plain = host.toLowerCase().replace(/\.$/, '')
  const address = isIP(plain) !== 0 ? plain : spelledIPv4(plain)
  if (address !== undefined) return localKind(address)
  return OWN_NAMES.test(plain) ? 'loopback' : undefined
}

/**
 * The address behind a spelling that inet_aton(3) takes, and so getaddrinfo(3): one to four numbers, each in decimal, octal (`0177`) or
 * hexadecimal (`0x7f`), of which the last fills what is left (`127.1`). Undefined for anything else.
 */
export function spelledIPv4(host: string): string | undefined {
  const parts = host.split('.')
  if (parts.length > 4 || !parts.every(part => /^(?:0x[0-9a-f]*|\d+)$/i.test(part))) return undefined
  const numbers = parts.map(numberOf)
  const last = numbers.pop()!
  if (numbers.some(number => !(number <= 255)) || !(last < 256 ** (4 - numbers.length))) return undefined
  const value = numbers.reduce((sum, number, index) => sum + number * 256 ** (3 - index), last)
  return [24, 16, 8, 0].map(shift => Math.floor(value / 2 ** shift) % 256).join('.')
}

/** NaN where it is none. */
function numberOf(part: string): number {
  if (/^0x/i.test(part)) return part.length === 2 ? 0 : Number.parseInt(part.slice(2), 16)
  if (part.length > 1 && part.startsWith('0')) return /^[0-7]+$/.test(part) ? Number.parseInt(part, 8) : Number.NaN
  return Number(part)
}

function kindOfIPv4(bytes: Buffer): LocalKind | undefined {
  const [first, second] = bytes
  if (METADATA.includes(bytes.toString('hex'))) return 'cloud metadata'
  if (first === 127) return 'loopback'
  if (first === 169 && second === 254) return 'link-local'
  // Linux takes 0.0.0.0 for itself; the rest of the block is nobody's.
  return first === 0 ? 'unspecified' : undefined
}

/** Of IPv4-mapped and -compatible addresses (RFC 4291 §2.5.5), NAT64 (RFC 6052), SIIT (RFC 2765) and 6to4 (RFC 3056). */
function embeddedIPv4(bytes: Buffer): Buffer | undefined {
  const head = bytes.subarray(0, 12).toString('hex')
  const heads = ['0'.repeat(24), `${'0'.repeat(20)}ffff`, `${'0'.repeat(16)}ffff0000`, `0064ff9b${'0'.repeat(16)}`]
  if (heads.includes(head)) return bytes.subarray(12)
  return head.startsWith('2002') ? bytes.subarray(2, 6) : undefined
}

function isMapped(bytes: Buffer): boolean {
  return bytes.length === 16 && isZero(bytes.subarray(0, 10)) && bytes.readUInt16BE(10) === 0xffff
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every(byte => byte === 0)
}

/** 4 or 16 bytes. Throws for what is no address. */
function bytesOf(address: string): Buffer {
  const [plain = ''] = address.split('%')
  if (isIP(plain) === 4) return Buffer.from(plain.split('.').map(Number))
  if (isIP(plain) !== 6) throw new Error(`not an address: ${address}`)
  const dotted = /(?:\d+\.){3}\d+$/.exec(plain)?.[0]
  const words =
    dotted === undefined ? plain : plain.slice(0, -dotted.length) + wordsOf(Buffer.from(dotted.split('.').map(Number)))
  const [before = '', after] = words.split('::')
  const [left, right] = [before, after ?? ''].map(side => (side === '' ? [] : side.split(':')))
  const between = Array<string>(8 - left!.length - right!.length).fill('0')
  return Buffer.from([...left!, ...between, ...right!].map(word => word.padStart(4, '0')).join(''), 'hex')
}

function wordsOf(ipv4: Buffer): string {
  return `${ipv4.toString('hex', 0, 2)}:${ipv4.toString('hex', 2)}`
}
