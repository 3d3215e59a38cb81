/**
 * What a protocol says of itself before anybody connects: all that policy, resources, the vault, the configuration, the API and the CLI
 * need to know of it. None of them knows a protocol by its name.
 */

import type { z } from 'zod'
import type { PortSettings } from '../shared/setting-types.ts'

/** An entry of a target, as far as every protocol has it. */
export interface AnyTarget {
  readonly name: string
  readonly host: string
  readonly port: number
}

/** What is wrong with an entry, and where in it. */
export interface Complaint {
  readonly path: (string | number)[]
  readonly message: string
}

export interface ProtocolFacts {
  /** As it stands in entries, settings, recordings and metrics. */
  readonly name: string
  /** For people. */
  readonly title: string
  /** The module that serves it: its default export is a `ServedProtocol`. Loaded by the gateway alone. */
  readonly served: URL
  /** What may be opened in a session. */
  readonly channels: readonly string[]
  /** Those that a role gives which names none. */
  readonly usualChannels: readonly string[]
  /** Its section of the configuration, named as the protocol. */
  readonly settings: z.ZodType<PortSettings>
  /** Whether its clients are shown a certificate: that of `tls` in its settings, or one that the gateway issues. */
  readonly showsCertificate: boolean
  /** Whether a login that names no target is let in, for what the gateway itself answers. */
  readonly selfService: boolean
  readonly target: TargetFacts
  readonly identity: IdentityFacts
  /** Where one login reaches several databases. */
  readonly databases?: DatabaseFacts
  readonly words: {
    /**
     * Shown alike for an unknown user, a wrong password, a wrong code and a locked user. Also where no role opens what was asked for, and
     * who may log in with less than the default factors has not proven those.
     */
    readonly loginRefused: string
    /** Added for those whose code had counted already. */
    readonly usedCode?: string
    /** How a client says the reason for a session, and the ticket, as somebody would type it. Not given: it cannot. */
    readonly sayWords?: (ticket: boolean) => string
    /** By what its targets are known, in an answer to somebody who took it for another protocol. */
    readonly knownBy: string
  }
}

/** The schema of all fields of an entry. */
export type Fields<Common, Own> = { [K in keyof (Common & Own)]: Extract<(Common & Own)[K], z.ZodType> }

export interface TargetFacts {
  readonly defaultPort: number
  /** The fields that its entries have beside those of every target. */
  readonly fields: z.ZodRawShape
  /** What no schema says of one entry. */
  check(target: AnyTarget): Complaint[]
  /** Whether the host may be written like this although it is neither a name nor an address. */
  isHost?(host: string): boolean
  /** The field that the gateway may have learnt from the target: it stays while files say nothing of it and the address is the same. */
  readonly learnt?: string
  /** Where the target is told who stands behind the account. */
  showsUserIn(target: AnyTarget): readonly string[]
  /** By what it is known, in a few words; `known` false: it is not used before somebody has seen to that. */
  describeIdentity(target: AnyTarget): { readonly text: string; readonly known: boolean }
  /** More that `sallyport target show` has of it. */
  describe?(target: AnyTarget): [label: string, value: string | undefined][]
  /** Which questions to the target there are: its host keys, how it has accounts log in. */
  readonly asks: 'host-keys' | 'logins' | 'nothing'
}

/** Everything by which a changed entry could send the secret elsewhere, or give it away, beside host, port and login. */
export interface IdentityFacts {
  readonly fields: z.ZodRawShape
  /** Never throws: what cannot be read is an identity of its own. */
  of(target: AnyTarget): object
  /** Whether nothing changed, or it only got stricter; host, port and login are the same. */
  within(now: object, confirmed: object): boolean
  /** The entry as it was confirmed, but for its address: without what the target can be asked to prove. */
  kept(target: AnyTarget, confirmed: object): AnyTarget
}

export interface DatabaseFacts {
  /** Where those are who name none. */
  own(target: AnyTarget): string
  /** Which may be given by roles; undefined: its own alone. */
  opened(target: AnyTarget): readonly string[] | undefined
  /** The name as the server reads it. */
  read(name: string): string
  /** Channels that reach every database whichever was named. */
  readonly reachingAll: readonly string[]
}
