/** The PROXY protocol's header, versions 1 and 2 (haproxy's doc/proxy-protocol.txt, §2): a pure parser. */

import { isIPv4, isIPv6 } from 'node:net'
import type { Source } from '../identity/proof.ts'
import { crc32c } from './crc32c.ts'

export type ProxyHeader =
  /** The balancer speaks for itself, or does not know (LOCAL, UNSPEC, UNKNOWN): the peer of the socket is the source. */
  | { readonly kind: 'local'; readonly length: number }
  | { readonly kind: 'proxied'; readonly length: number; readonly source: Source }
  /** More bytes are needed. */
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'broken'; readonly why: string }

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const V2_HEAD_BYTES = 16
/** Addresses and what else a balancer adds; a header may say 64 KiB, but none needs so much. */
const MOST_V2_BYTES = 4096
/** Including its CRLF. */
const MOST_V1_BYTES = 107
const TLV_CRC32C = 0x03

/** Reads the header at the beginning of `bytes`; `length` is how many of them it takes. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (startsLike(bytes, SIGNATURE)) return bytes.length < V2_HEAD_BYTES ? { kind: 'incomplete' } : parseV2(bytes)
  if (startsLike(bytes, Buffer.from('PROXY '))) return parseV1(bytes)
  return broken('the connection does not begin with one')
}

/** Whether the bytes that are there agree with what is expected. */
function startsLike(bytes: Buffer, expected: Buffer): boolean {
  const length = Math.min(bytes.length, expected.length)
  return bytes.subarray(0, length).equals(expected.subarray(0, length))
}

function parseV2(bytes: Buffer): ProxyHeader {
  const version = bytes[12]! >> 4
  const command = bytes[12]! & 0x0f
  if (version !== 2) return broken(`version ${version} is not known`)
  if (command > 1) return broken(`command ${command} is not known`)
  const length = V2_HEAD_BYTES + bytes.readUInt16BE(14)
  if (length > MOST_V2_BYTES) return broken(`${length} bytes are too many`)
  if (bytes.length < length) return { kind: 'incomplete' }
  const header = bytes.subarray(0, length)
  const family = header[13]! >> 4
  const transport = header[13]! & 0x0f
  // What follows is then to be skipped, whatever it is.
  if (command === 0) return { kind: 'local', length }
  if (family === 0 || transport === 0) return checkTail(header, V2_HEAD_BYTES) ?? { kind: 'local', length }
  if (transport !== 1) return broken('it is not about TCP')
  const addressBytes = family === 1 ? 4 : 16
  if (family !== 1 && family !== 2) return broken(`address family ${family} is not one of TCP`)
  const tail = V2_HEAD_BYTES + 2 * addressBytes + 4
  if (length < tail) return broken('it is shorter than its addresses')
  const address = header.subarray(V2_HEAD_BYTES, V2_HEAD_BYTES + addressBytes)
  const source = {
    address: family === 1 ? [...address].join('.') : ipv6Text(address),
    port: header.readUInt16BE(V2_HEAD_BYTES + 2 * addressBytes),
  }
  return checkTail(header, tail) ?? { kind: 'proxied', length, source }
}

/** Type-length-values: all must fit, and a checksum must be right (§2.2.3); the others are not for us. */
function checkTail(header: Buffer, from: number): ProxyHeader | undefined {
  let at = from
  while (at < header.length) {
    if (at + 3 > header.length) return broken('a value of it is cut')
    const length = header.readUInt16BE(at + 1)
    const value = at + 3
    if (value + length > header.length) return broken('a value of it is cut')
    if (header[at] === TLV_CRC32C) {
      if (length !== 4) return broken('its checksum has a wrong length')
      const zeroed = Buffer.from(header).fill(0, value, value + 4)
      if (crc32c(zeroed) !== header.readUInt32BE(value)) return broken('its checksum is wrong')
    }
    at = value + length
  }
  return undefined
}

function parseV1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, MOST_V1_BYTES).indexOf('\r\n')
  if (end < 0) return bytes.length < MOST_V1_BYTES ? { kind: 'incomplete' } : broken('its line does not end')
  const length = end + 2
  const line = bytes.toString('latin1', 0, end)
  // What follows UNKNOWN is to be ignored.
  if (/^PROXY UNKNOWN( |$)/.test(line)) return { kind: 'local', length }
  const [, family, address = '', to = '', port = '', toPort = ''] =
    /^PROXY TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})$/.exec(line) ?? []
  const isAddress = family === '4' ? isIPv4 : isIPv6
  const good = family !== undefined && [address, to].every(isAddress) && !address.includes('%')
  if (!good || !isPort(port) || !isPort(toPort)) return broken('its line cannot be read')
  return { kind: 'proxied', length, source: { address, port: Number(port) } }
}

/** Without zeroes in front: there is one way to write a number. */
function isPort(text: string): boolean {
  return String(Number(text)) === text && Number(text) <= 65_535
}

function ipv6Text(bytes: Buffer): string {
  return Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(2 * group).toString(16)).join(':')
}

function broken(why: string): ProxyHeader {
  return { kind: 'broken', why }
}
