/** Whether the host and port that an SSH client asks for mean a target: by its name, or by the address in its entry. */

import { isIP } from 'node:net'
import { inNetworks, normalizeAddress } from '../../../shared/network/networks.ts'
import type { Target } from '../../../targets/target.ts'
import type { SshTarget } from '../target.ts'

const SSH_PORT = 22
const OURSELVES = ['127.0.0.0/8', '::1/128', '0.0.0.0/8', '::/128']

/** The names are the gateway's own, and stand for the port of the entry; clients that are not told another ask for 22. */
export function isNamedBy(target: Target, host: string, port: number): target is SshTarget {
  return target.protocol === 'ssh' && sameHost(target.name, host) && (port === SSH_PORT || port === target.port)
}

export function isAddressedBy(target: Target, host: string, port: number): target is SshTarget {
  return target.protocol === 'ssh' && sameHost(target.host, host) && port === target.port
}

/** The machine of the gateway itself: never what a client means by an address. */
export function isOurselves(host: string): boolean {
  return /^(.+\.)?localhost\.?$/i.test(host) || inNetworks(OURSELVES, host)
}

/** What a client can have called the target, as its certificate names it: OpenSSH compares in lower case. */
export function namesOf({ name, host }: SshTarget, asked: string): string[] {
  const names = [name, host, asked].filter(one => !isOurselves(one))
  return [...new Set(names.flatMap(one => [one, one.toLowerCase()]))]
}

/** As DNS compares names, and addresses by what they are. */
function sameHost(one: string, other: string): boolean {
  if (isIP(one) !== 0 && isIP(other) !== 0) return normalizeAddress(one) === normalizeAddress(other)
  return one.toLowerCase() === other.toLowerCase()
}
