/** The same text for the same host, however it is written: `127.1`, `WEB.example.com.`, `2001:DB8::1`, `bücher.example`. Names are not looked up. */

import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { canonicalAddress, spelledIPv4 } from './local-address.ts'

export function canonicalHost(host: string): string {
  const plain = host.replace(/^\[(.*)\]$/, '$1')
  const address = isIP(plain) !== 0 ? plain : spelledIPv4(plain)
  if (address !== undefined) return canonicalAddress(address)
  // Empty where it is none that there can be.
  return (domainToASCII(plain) || plain.toLowerCase()).replace(/\.$/, '')
}
