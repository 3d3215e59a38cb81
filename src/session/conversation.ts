/** What the gateway itself answers on: a channel of a login that names no target, as its protocol offers it. */

import type { ProtocolName } from '../protocols/registered.ts'
import type { ErrorCode } from '../shared/errors.ts'
import type { AccountAddress } from '../shared/names.ts'
import type { Secret } from '../shared/secret.ts'
import type { Login } from './run-login.ts'

export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

export interface Listener {
  typed(bytes: Buffer): void
  resized?(): void
  /** No more will be typed. */
  ended?(): void
}

export interface Conversation {
  /** Of the sessions that can be begun on it. */
  readonly protocol: ProtocolName
  /** Undefined: a shell was asked for. */
  readonly command: string | undefined
  /** Undefined: a program reads, or a pipe. */
  readonly terminal: { readonly type: string; readonly size: TerminalSize } | undefined
  /** Aborted when the channel is gone. */
  readonly gone: AbortSignal
  /** Line ends are made what the terminal needs. Resolves when the client has had room for it, or is gone. */
  write(text: string): Promise<void>
  /** The same, beside what a program reads. */
  complain(text: string): Promise<void>
  /** Without a listener, what is typed is thrown away. What a listener was given counts as read. */
  listen(listener: Listener | undefined): void
  /** Runs a session on this channel, through the pipeline like any other, for the person of the login. */
  connect(address: AccountAddress, person: SessionQuestions): Promise<SessionOutcome>
}

/** What a session that begins inside a login may want of its person. */
export interface SessionQuestions {
  /** A factor that is asked for beyond what was proven, in its words (`One-time code`); `again`: the last answer was wrong. Undefined: they give up. */
  answer(wanted: string, again: boolean): Promise<Secret | undefined>
  /** A line, of a reason for example. Undefined: they give up. */
  ask(question: string): Promise<string | undefined>
  /** What they are to do elsewhere, or what it waits for; a session that waits for it goes on by itself. */
  told(instruction: string): void
  /** The target is reached: when this resolves, what is shown and typed is the session's. */
  begun(): Promise<void>
  /** Aborted when they give up before it has begun; with the reason `KEEPS_REQUEST`, what they have asked for stays. */
  readonly givesUp: AbortSignal
}

/** `text` is printable. */
export type SessionOutcome =
  | { readonly kind: 'refused'; readonly session: string; readonly code: ErrorCode; readonly text: string }
  | { readonly kind: 'ended'; readonly session: string; readonly exitStatus?: number; readonly text: string }

/** Answers on one channel of a login that names no target; resolves to the exit status. */
export type Converse = (conversation: Conversation, login: Login) => Promise<number>
