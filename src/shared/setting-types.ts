/** What settings are made of: times, sizes, counts, networks, and what every port that people connect to can be told. */

import { z } from 'zod'
import { durationText } from './durations.ts'
import { parseNetwork } from './network/networks.ts'
import { bytesOf, sizeText } from './size-text.ts'

/** Parses to bytes. */
export const size = sizeText.transform(bytesOf)

/** Node's timers count no further than 24.8 days. */
const LONGEST_MS = 24 * 86_400_000
/** Parses to milliseconds. */
export const time = durationText.refine(ms => ms <= LONGEST_MS, 'at most 24d')
export const someTime = time.refine(ms => ms > 0, 'must be more than 0')

export const port = z.number().int().min(0).max(65535)
export const path = z.string().min(1)
export const count = z.number().int().min(1)

export const tlsFiles = z.strictObject({
  /** PEM file of the private key. */
  keyFile: path,
  /** PEM file of the certificate, with its intermediates. */
  certificateFile: path,
})
export type TlsFiles = z.output<typeof tlsFiles>

export const network = z
  .string()
  .refine(text => parseNetwork(text) !== undefined, 'a network is written as 10.0.0.0/8 or 2001:db8::/32')

export const proxyProtocol = z
  .strictObject({
    /** Balancers: their connections begin with a header of the PROXY protocol, which says where they come from. */
    from: z.array(network).default([]),
  })
  .prefault({})

/** What every protocol's settings have, after they are parsed. */
export interface PortSettings {
  readonly enabled: boolean
  readonly host: string
  readonly port: number
  readonly maxUnauthenticated: number
  readonly maxPerSource: number
  readonly proxyProtocol: { readonly from: readonly string[] }
  /** How many proofs may be wrong in one login, of a protocol that asks more than once. */
  readonly maxAuthTries?: number | undefined
  /** Of a protocol that shows a certificate. */
  readonly tls?: TlsFiles | undefined
}
