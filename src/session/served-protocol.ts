/** What the gateway loads of a protocol to serve it: its connections, and its questions to targets. The default export of the module that its facts name. */

import type { SessionCluster } from '../cluster/cluster.ts'
import type { ConnectionHandler } from '../connections/connection-handler.ts'
import type { RefusedConnection } from '../connections/refused-connections.ts'
import type { Authenticator } from '../identity/authenticator.ts'
import type { ProofOf } from '../identity/proof.ts'
import type { Clock } from '../shared/clock.ts'
import type { Refusal } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import type { Metrics } from '../shared/metrics.ts'
import type { OwnKey } from '../shared/own-key.ts'
import type { TlsCertificate } from '../shared/tls/issue-certificate.ts'
import type { Target } from '../targets/target.ts'
import type { Targets } from '../targets/targets.ts'
import type { Vault } from '../vault/vault.ts'
import type { Access } from './access.ts'
import type { Connector } from './connector.ts'
import type { Converse } from './conversation.ts'
import type { Dialer, DialerFor, DialerParts } from './dialer.ts'
import type { LoginAtTarget } from './login-at-target.ts'
import type { Downstream, RunSession, Upstream } from './protocol.ts'
import type { Asked, Remains } from './remains.ts'
import type { Login, RunLogin } from './run-login.ts'
import type { TargetProof } from './target-proof.ts'

export interface HandlerParts {
  /** The protocol's section of the configuration. */
  readonly settings: unknown
  /** Bytes kept in the recording of each stream of a channel without a terminal. */
  readonly execOutputLimitBytes: number
  /** Of a protocol whose facts say that it shows one. */
  readonly certificate: TlsCertificate | undefined
  readonly cluster: SessionCluster
  readonly dialerFor: DialerFor
  /** Those that the protocol's `ownKeys` made, by name. */
  readonly ownKeys: OwnKeys
  /** Has `ServedProtocol.findInside` asked, where the targets and their keys are. */
  findInside(login: Login, host: string, port: number): Promise<FoundInside | Refusal>
  readonly knowsPublicKey: Authenticator['knowsPublicKey']
  run<D extends Downstream, U extends Upstream>(...session: Parameters<RunSession<D, U>>): Promise<void>
  /** For a login that names no target, where the protocol's facts say that there are such logins; `converse` answers on it. */
  runLogin<D extends Downstream>(...login: Parameters<RunLogin<D>>): Promise<void>
  readonly converse: Converse
  /** Told of connections that ended before the pipeline began. Never throws. */
  refused(connection: Omit<RefusedConnection, 'protocol'>): void
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** What is opened beside the handler, to be closed after it. */
  readonly started: AsyncDisposableStack
}

export type OwnKeys = Readonly<Record<string, OwnKey>>

/** What is asked for by host and port inside of a login that names no target. */
export interface FoundInside {
  readonly name: string
  /** Whether it has an account of the user's own name that a role of hers speaks of. */
  readonly ownAccount: boolean
  /** In the form of the protocol: what shows the gateway as the target to the client. */
  readonly certificates: readonly Buffer[]
}

/** What is there where the vault's key is. */
export interface InsideParts {
  readonly targets: Targets
  readonly access: Access
  readonly hostAuthority: Vault['hostAuthority']
  readonly ownKeys: OwnKeys
  readonly clock: Clock
}

export interface ServedProtocol {
  /** The keys that stand for the gateway itself: each is made once for all gateways of a store. */
  readonly ownKeys?: Readonly<Record<string, () => Promise<OwnKey>>>
  /**
   * Where its clients prove a key: whether the key has signed for this login name, on the connection that was given this nonce
   * (`IncomingConnection`), and so for no other.
   */
  keySignedFor?(proof: ProofOf<'publickey'>, login: string, nonce: Buffer): boolean
  /**
   * Finds the target that is asked for inside of a login that names none, where the protocol has that. A refusal is in the audit log, and
   * counts among those that a login may have.
   */
  findInside?(
    parts: InsideParts,
    login: Pick<Login, 'mayOpen' | 'person' | 'refused'>,
    host: string,
    port: number,
  ): Promise<FoundInside | Refusal>
  createHandler(parts: HandlerParts): Promise<ConnectionHandler>
  /**
   * Has a target prove that it is the one that its credential was confirmed for. Throws `BAD_REQUEST` with what a proof cannot show,
   * `TARGET_UNREACHABLE` or `TARGET_IDENTITY_MISMATCH`.
   */
  prove(proof: TargetProof): Promise<void>
  /**
   * Logs in with nobody's connection: what comes back is quiet until it is closed, or used by the protocol itself. Throws as
   * `Protocol.connect`.
   */
  logIn(login: LoginAtTarget, signal: AbortSignal): Promise<Upstream>
  /** Asks the target, by a login of that account, what it still has of sessions that are over: of each, in their order. Throws as `logIn`. */
  remains?(login: LoginAtTarget, asked: Asked, signal: AbortSignal): Promise<Remains[]>
  /** By which credentials of its accounts are verified and changed. */
  readonly connectors?: readonly Connector[]
  /** Where its facts say that targets are asked for `host-keys`: those that it shows, as `ssh-ed25519 AAAA…`. Throws `TARGET_UNREACHABLE`. */
  scanHostKeys?(target: Target, dialer: Dialer): Promise<string[]>
  /** Where they are asked for `logins`: what each account would be asked; it is answered nothing. Throws `TARGET_UNREACHABLE`, `TARGET_IDENTITY_MISMATCH`. */
  askLogins?(target: Target, dialer: Dialer): Promise<AskedLogin[]>
  /** Where other targets can be gone to through its own (`via`). */
  readonly connectHop?: DialerParts['connectHop']
}

export interface AskedLogin {
  readonly account: string
  /** As `authentication` in the target's entry names it; for what that does not know, in words. */
  readonly asks: string
  /** Whether its entry allows it. */
  readonly allowed: boolean
}
