/** Who is it? Turns the proofs of one connection, for one user name, into a principal: the one place that mints them. */

import type { Cluster } from '../cluster/cluster.ts'
import type { Database } from '../database/database.ts'
import type { Documents } from '../database/documents.ts'
import type { Clock } from '../shared/clock.ts'
import type { WithKeyLock } from '../shared/concurrency/keyed-mutex.ts'
import { unlessAborted } from '../shared/concurrency/unless-aborted.ts'
import type { Sealer } from '../shared/cryptography/sealer.ts'
import { type Refusal, refuse } from '../shared/errors.ts'
import { type FactorLists, provenEnough } from '../shared/factor-lists.ts'
import { type Factor, FIRST_FACTORS, LATER_FACTORS } from '../shared/factors.ts'
import { NAME_PATTERN } from '../shared/names.ts'
import { networkOf } from '../shared/network/source-network.ts'
import type { Secret } from '../shared/secret.ts'
import { createPasswords, type Passwords } from './factors/password.ts'
import { holdsPublicKey } from './factors/public-key.ts'
import { evaluationOf } from './factors/registered.ts'
import type { Claimant, ProofParts, ProofResult } from './factors/round.ts'
import { factorPurpose } from './factors/stored-factors.ts'
import { generateTotpSecret } from './factors/totp.ts'
import { createKnownPasswords } from './known-passwords.ts'
import type { Lockout } from './lockout.ts'
import { mintPrincipal, type Principal } from './principal.ts'
import type { Proof, Source } from './proof.ts'
import { createRememberedFactors } from './remembered-factors.ts'
import type { User } from './user.ts'
import { confirmElsewhere, type Unconfirmed, verifyProof } from './verify-proof.ts'

export interface Authenticator {
  /**
   * Begins for one name and one connection. Unknown and locked users get an attempt like everybody, and it never succeeds.
   * The refusal is `CLUSTER_UNAVAILABLE`: without the other gateways neither failures nor used codes can be agreed on.
   */
  begin(userName: string, source: Source): Promise<Attempt | Refusal>
  /** A one-time code that somebody who is known shows for one act: counted by the lockout like any, and good once. */
  confirmCode(userName: string, address: string, code: Secret): Promise<boolean>
  /** Whether the user has this key: for SSH's question before the signature (RFC 4252 §7). It proves nothing. */
  knowsPublicKey(userName: string, blob: Buffer): Promise<boolean>
}

export interface Attempt {
  /** The name as it was given, fixed: proofs for one name never count for another. */
  readonly user: string
  /** The user's roles, none for a user who cannot log in. For asking policy what to demand, not for deciding. */
  readonly roles: readonly string[]
  /** What has been proven on this connection so far. */
  readonly proven: ReadonlySet<Factor>
  /** What was wrong with the proofs so far, and which counted for a reason of their own: for the audit log alone. */
  readonly trail: readonly string[]
  /**
   * Whether the last proof failed for this alone: a code that is right, behind the right password or key, had counted before. Nobody
   * else learns of a code that it was right.
   */
  readonly usedCode: boolean
  /**
   * True when the proof was right (be it enough or not). `factors`: the lists one of which will be asked for. Throws `CLUSTER_UNAVAILABLE`, and `TOO_MANY_CONNECTIONS` when
   * too many logins are waiting. What is confirmed elsewhere is waited for until `until` aborts; without it, it is not asked for.
   */
  verify(
    proof: Proof,
    options: { rememberFactorMs: number; factors?: FactorLists; until?: AbortSignal },
  ): Promise<boolean>
  /** Whether a one-time code was accepted here less than a minute ago, and no act has taken it yet; takes it. */
  takeCode(): boolean
  /**
   * The principal, when every factor of one of the lists is proven. Reads the user again, so that it is also the answer to
   * "are they still?" later on. An empty list, or no list, is never fulfilled.
   */
  principal(requirement: FactorLists): Promise<Principal | undefined>
  /**
   * For a connection inside of this one: what is proven on either is proven on both, and what was wrong belongs to each alone. The
   * refusal is that of `begin`.
   */
  inside(): Attempt | Refusal
}

interface Parts {
  readonly database: Database
  readonly users: Documents<User>
  readonly vault: Sealer
  readonly cluster: Cluster
  readonly lockout: Lockout
  /** For the proofs of one user, wherever they come to this gateway. */
  readonly withKeyLock: WithKeyLock
  readonly clock: Clock
  readonly passwords?: Passwords
}

const UNAVAILABLE = refuse(
  'CLUSTER_UNAVAILABLE',
  'New logins are refused while the gateways cannot reach each other. Try again shortly.',
)

/** So long after a login with a code the first act that asks for one needs no other. */
const CODE_OF_AN_ACT_MS = 60_000

export function createAuthenticator({
  database,
  users,
  vault,
  cluster,
  lockout,
  withKeyLock,
  clock,
  passwords = createPasswords(),
}: Parts): Authenticator {
  const secret = generateTotpSecret()
  const purpose = factorPurpose('totp', '')
  const parts: ProofParts & { lockout: Lockout } = {
    database,
    vault,
    clock,
    passwords,
    knownPasswords: createKnownPasswords(clock),
    lockout,
    remembered: createRememberedFactors({ cluster, vault, clock }),
    decoy: { purpose, sealed: vault.sealBytes(purpose, Buffer.from(secret)), secret },
  }

  /** The user, if they may log in at all. */
  async function readUser(name: string): Promise<Pick<Claimant, 'user' | 'absence'>> {
    const user = await users.get(name)
    if (user === undefined) return { user, absence: 'no such user' }
    return user.disabled ? { user: undefined, absence: 'the user is disabled' } : { user, absence: undefined }
  }

  /** Whoever has their key and their code, or is known where they are, does not stand behind those who guess at their password. */
  async function lineFor({ name, user, address }: Claimant, kind: Proof['kind']): Promise<string> {
    const known = await lockout.isKnown(user?.name, address)
    return `${LATER_FACTORS.some(factor => factor === kind) ? 'codes of ' : ''}${name}${known ? ` at ${networkOf(address)}` : ''}`
  }

  return {
    async knowsPublicKey(userName, blob) {
      const { user } = await readUser(queryable(userName))
      return holdsPublicKey(user?.publicKeys ?? [], blob)
    },

    async confirmCode(userName, address, answer) {
      const name = queryable(userName)
      const claimant: Claimant = { name, address, ...(await readUser(name)) }
      const options = { firstProven: true, rememberFactorMs: 0, passwordIsEnough: false }
      const result = await withKeyLock(await lineFor(claimant, 'totp'), () =>
        verifyProof(parts, claimant, { kind: 'totp', answer }, options),
      )
      return !('proof' in result) && result.proves.includes('totp')
    },

    async begin(userName, { address }) {
      if (!cluster.available) return UNAVAILABLE
      const name = queryable(userName)
      const claimant: Claimant = { name, address, ...(await readUser(name)) }
      const proven = new Set<Factor>()
      const provenKeys: Buffer[] = []
      let noted = false

      /** One at a time: else many could be asked for before the first one counts as a failure. */
      async function confirm(unconfirmed: Unconfirmed, until: AbortSignal): Promise<ProofResult> {
        const line = `${unconfirmed.proof.pending} of ${await lineFor(claimant, 'password')}`
        const confirmation = withKeyLock(line, () => confirmElsewhere(parts, claimant, unconfirmed, until))
        return unlessAborted<ProofResult>(until, confirmation, { proves: [], why: 'nobody waited for it' })
      }

      function attempt(): Attempt {
        const trail: string[] = []
        let usedCode = false
        let codeAt: number | undefined
        return {
          user: userName,
          roles: claimant.user?.roles ?? [],
          proven,
          trail,
          get usedCode() {
            return usedCode
          },

          async verify(proof, { rememberFactorMs, factors = [], until = AbortSignal.abort() }) {
            const passwordIsEnough = provenEnough(factors, new Set(['password']))
            const verify = () => {
              const firstProven = FIRST_FACTORS.some(factor => proven.has(factor))
              return verifyProof(parts, claimant, proof, { firstProven, rememberFactorMs, passwordIsEnough })
            }
            const verified = await (evaluationOf(proof).behindLockout
              ? withKeyLock(await lineFor(claimant, proof.kind), verify)
              : verify())
            const result = 'proof' in verified ? await confirm(verified, until) : verified
            if (result.why !== undefined) trail.push(`${proof.kind}: ${result.why}`)
            usedCode = result.usedCode ?? false
            for (const factor of result.proves) proven.add(factor)
            if (proof.kind === 'totp' && result.proves.length > 0) codeAt = clock.now()
            if (proof.kind === 'publickey' && result.proves.length > 0) provenKeys.push(Buffer.from(proof.blob))
            return result.proves.length > 0
          },

          takeCode() {
            const age = clock.now() - (codeAt ?? Number.NEGATIVE_INFINITY)
            codeAt = undefined
            return age >= 0 && age < CODE_OF_AN_ACT_MS
          },

          async principal(requirement) {
            const { user } = await readUser(name)
            if (user === undefined) return undefined
            const still = new Set(proven)
            if (!provenKeys.some(blob => holdsPublicKey(user.publicKeys, blob))) still.delete('publickey')
            if (!provenEnough(requirement, still)) return undefined
            if (!noted) await lockout.loggedIn(user.name, address)
            noted = true
            return mintPrincipal({ user: user.name, roles: user.roles, proven: still, sourceAddress: address })
          },

          inside: () => (cluster.available ? attempt() : UNAVAILABLE),
        }
      }

      return attempt()
    },
  }
}

/** What cannot be a name is looked up as the empty one, which nobody has: the same work, and no odd bytes in a query. */
function queryable(userName: string): string {
  return NAME_PATTERN.test(userName) ? userName : ''
}
