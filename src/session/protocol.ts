/** The port that a protocol implements: its side towards the user, its side towards the target, and the relay between. */

import type { Proof, Source } from '../identity/proof.ts'
import type { Grant } from '../policy/grant.ts'
import type { ProtocolName } from '../protocols/registered.ts'
import type { Recorder } from '../recording/writing/recorder.ts'
import type { Refusal } from '../shared/errors.ts'
import type { Factor } from '../shared/factors.ts'
import type { Lease } from '../vault/lease.ts'
import type { Pause } from './live/pause.ts'
import type { EndReason } from './state.ts'

/** What a person may see of their session. */
export interface SessionNotice {
  readonly session: string
  /** Not given: a login that names no target. */
  readonly account?: string
  readonly target?: string
  readonly endsAt: number
}

/** What a client brings beside its proofs; what nobody has checked yet. */
export interface Brought {
  readonly reason?: string | undefined
  readonly ticket?: string | undefined
  /** How long they want it, as in `2h`. */
  readonly length?: string | undefined
  /** Whether somebody is there who can be asked, and who reads what is told. */
  readonly attended: boolean
  /** It opens connections through the gateway and no program: nothing can be said nor asked on it, before or after. */
  readonly forwardsOnly?: true | undefined
  /** Whether they can come back later, and leave standing what they have asked for (`KEEPS_REQUEST`). */
  readonly canKeep?: boolean | undefined
}

/** Why a login is over, where what was asked for on it is to stay. */
export const KEEPS_REQUEST = 'keeps-request'

/** What the bytes of one side go over: a socket, or a channel of another connection. */
export interface Carrier {
  /** Nothing of it is left here. */
  readonly closed: boolean
  /** All that was written, and its end, has left. */
  readonly writableFinished: boolean
  once(event: 'close', listener: () => void): unknown
  destroy(): unknown
}

/** `end`: a warning of the session's end, which people alone are told, and no programs. `pause`: that it is paused, or goes on. */
export type NoticeAbout = 'end' | 'pause'

/** The side of the user. Its methods resolve also when the client has gone; only bugs reject. */
export interface Downstream {
  readonly protocol: ProtocolName
  readonly source: Source
  /** The login name as it was sent; fixed for the life of the connection. */
  readonly login: string
  /** The database that the client names; undefined: none, or one is not named in this protocol. */
  readonly database: string | undefined
  /** Facts worth recording: client version, database, application name. Never a secret. */
  readonly details: Record<string, string>
  readonly carrier: Carrier
  /** Aborted when the client has gone. */
  readonly gone: AbortSignal
  /** Aborted when there will be no more proofs: the client has gone or gave up (`KEEPS_REQUEST`), or its time to log in is over. */
  readonly loginOver: AbortSignal
  /** False while the client has shown nothing at all: psql leaves at the first question, asks its user, and comes back. */
  readonly answered: boolean
  /** The id of the login of the connection that this one is inside of: then the person is known by it. */
  readonly outer?: string | undefined
  /** The next proof, or undefined when the client left or ran out of time. `first`: which may come first; not given: any first factor. */
  nextProof(first?: readonly Factor[]): Promise<Proof | undefined>
  /** Answers the last proof, not yet enough: `partial` when it was right, and which factors may follow. */
  askFor(next: readonly Factor[], partial: boolean): void
  /**
   * What the client brought with it. To be asked for once, when enough is proven: where a protocol says it later than that, the client is told
   * that its proof is right, and nothing more is opened for it until `accept`. `ask`, `tell` and `deny` may follow.
   */
  brought(): Promise<Brought>
  /** Asks the person who is `attended` for a line; undefined: they gave up, or are gone. */
  ask(question: string): Promise<string | undefined>
  /** Tells a line to whoever waits to be let in (`waiting-logins.ts`, `await-moderator.ts`). Best effort. */
  tell(line: string): void
  /** Says that the person is let in (USERAUTH_SUCCESS, AuthenticationOk). After it, bytes flow only through `relay`. */
  accept(notice: SessionNotice): Promise<void>
  /** Says no, with the refusal's code, its text and the session id, and closes. Causes stay inside. */
  deny(refusal: Refusal, session: string): Promise<void>
  /**
   * Words to the person: before `accept` a banner, after it a line on the terminal or a notice, when it spoils nothing. Best effort. `short`: the
   * same in a few words for a window's title; what is `about` the same thing takes the place of what waits.
   */
  notify(text: string, short?: string, about?: NoticeAbout): void
  /**
   * Closes after what was written has left, within a second at most; `text` is the final message (SSH disconnect text, FATAL
   * error), where one is due.
   */
  close(reason: EndReason, text?: string): Promise<void>
}

/** What is asked of the side of the user until it is known who it is, and whether they may. */
export type LoginClient = Pick<
  Downstream,
  | 'protocol'
  | 'source'
  | 'login'
  | 'database'
  | 'loginOver'
  | 'answered'
  | 'outer'
  | 'nextProof'
  | 'askFor'
  | 'brought'
  | 'ask'
  | 'tell'
>

export interface AtTarget {
  readonly processId?: number | undefined
}

/** As it is kept of a session: where its target was, and as whom it logged in there. Not given: by a gateway of before. */
export interface KnownAtTarget extends AtTarget {
  readonly address?: string
  readonly login?: string
}

/** The side of the target: authenticated and quiet, until `relay` takes it. */
export interface Upstream {
  readonly carrier: Carrier
  /** What the target knows the connection by: the process of a PostgreSQL backend. Not given: by nothing. */
  readonly atTarget?: AtTarget
  close(): void
}

export interface Protocol<D extends Downstream, U extends Upstream> {
  readonly name: ProtocolName
  /**
   * Dials the target of the grant and logs in with the lease. Throws GatewayError `TARGET_UNREACHABLE`,
   * `TARGET_IDENTITY_MISMATCH`, `TARGET_IDENTITY_UNKNOWN` or `TARGET_LOGIN_FAILED`.
   */
  connect(grant: Grant, lease: Lease, downstream: D, signal: AbortSignal): Promise<U>
  /**
   * Moves bytes until one side closes: its reason is the value. When `signal` aborts nothing passes any more, and it resolves at once (the value
   * is then ignored): the upstream is closed then, and the downstream is left for `close`, which sends the final message. Never resolves
   * before the last event is with the recorder.
   */
  relay(downstream: D, upstream: U, context: RelayContext): Promise<EndReason>
}

export interface RelayContext {
  readonly session: string
  readonly grant: Grant
  readonly recorder: Recorder
  readonly signal: AbortSignal
  /** Where a moderator must watch: while it is paused, nothing passes. Not given: it never is. */
  readonly pause?: Pause | undefined
  /** Tells the idle timer that the person or the target did something. Cheap: call it for every chunk. */
  activity(): void
  /** Counts relayed bytes for the metrics: `in` is from the user. Cheap. */
  count(direction: 'in' | 'out', bytes: number): void
  /** Something was refused inside the session: goes to the audit log and the recording. */
  refused(what: string, reason: string, channel?: number): void
}

/** What a protocol's listener calls for each connection, once the login name is known. Resolves when the session is over. */
export type RunSession<D extends Downstream, U extends Upstream> = (
  protocol: Protocol<D, U>,
  downstream: D,
  session: string,
) => Promise<void>
