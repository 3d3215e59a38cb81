/** What a person shows to prove who they are, as a protocol hands it over. */

import type { AskedFactor } from '../shared/factors.ts'
import type { Secret } from '../shared/secret.ts'

export type Proof =
  /** A public key (RFC 4253 §6.6 blob) whose signature over this connection the protocol has verified already. */
  | { readonly kind: 'publickey'; readonly blob: Buffer; readonly signed?: SignedProof }
  | { readonly kind: 'password'; readonly password: Secret }
  /** What was typed when the factor was asked for; empty where it is confirmed elsewhere. */
  | { readonly kind: AskedFactor; readonly answer: Secret }
  /** One text for clients that have one field: the password with the code appended, or the password alone (fresh factor). */
  | { readonly kind: 'password-with-code'; readonly text: Secret }

/** What the key has signed, so that others can verify it too. */
export interface SignedProof {
  readonly algorithm: string
  readonly data: Buffer
  readonly signature: Buffer
  /** What the data's own connection began with, as far as that says which connection it is. */
  readonly beginning?: Buffer
}

export type ProofOf<Kind extends string> = Extract<Proof, { readonly kind: Kind }>

/** Where a connection comes from: the peer address of the socket, never anything the peer says. */
export interface Source {
  readonly address: string
  readonly port: number
}
