/** A principal: the proof that a connection is a certain user. Only `authenticator.ts` mints one. */

import type { Factor } from '../shared/factors.ts'

export interface PrincipalFacts {
  readonly user: string
  readonly roles: readonly string[]
  readonly proven: ReadonlySet<Factor>
  /** The address of the peer's socket. */
  readonly sourceAddress: string
}

class PrincipalProof {
  // A private field makes the type nominal: an object that merely looks like a principal is not one.
  readonly #facts: PrincipalFacts

  constructor(facts: PrincipalFacts) {
    this.#facts = facts
  }

  /** All that it says, for the process that relays. */
  get facts(): PrincipalFacts {
    return this.#facts
  }

  get user(): string {
    return this.#facts.user
  }
  get roles(): readonly string[] {
    return this.#facts.roles
  }
  get proven(): ReadonlySet<Factor> {
    return this.#facts.proven
  }
  get sourceAddress(): string {
    return this.#facts.sourceAddress
  }
}

/** The type alone is public: a value of it comes from an authentication attempt and from nowhere else. */
export type Principal = PrincipalProof

/** For `identity/authenticator.ts` only. */
export function mintPrincipal(facts: PrincipalFacts): Principal {
  return new PrincipalProof(facts)
}

/** For a worker (`gateway/workers/`): a principal as the process that verified the proofs has told it. */
export function receivedPrincipal(facts: PrincipalFacts): Principal {
  return new PrincipalProof(facts)
}
