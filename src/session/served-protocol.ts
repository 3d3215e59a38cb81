/** What the gateway loads of a protocol to serve it: its connections, and its questions to targets. The default export of the module that its facts name. */

import type { Cluster } from '../cluster/cluster.ts'
import type { ConnectionHandler } from '../connections/connection-handler.ts'
import type { RefusedConnection } from '../connections/refused-connections.ts'
import type { Authenticator } from '../identity/authenticator.ts'
import type { Clock } from '../shared/clock.ts'
import type { Log } from '../shared/log.ts'
import type { Metrics } from '../shared/metrics.ts'
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
import type { RunLogin } from './run-login.ts'
import type { TargetProof } from './target-proof.ts'

export interface HandlerParts {
  /** The protocol's section of the configuration. */
  readonly settings: unknown
  /** Bytes kept in the recording of each stream of a channel without a terminal. */
  readonly execOutputLimitBytes: number
  /** Of a protocol whose facts say that it shows one. */
  readonly certificate: TlsCertificate | undefined
  readonly cluster: Cluster
  readonly dialerFor: DialerFor
  readonly ownKey: Vault['ownKey']
  /** For what a client asks for by a target's name or address on a login that names none. */
  readonly access: Access
  readonly targets: Targets
  readonly hostAuthority: Vault['hostAuthority']
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

export interface ServedProtocol {
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
