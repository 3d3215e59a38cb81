/** What a command of `ssh alice@gateway` is: one file in `commands/` each, named in `registry.ts`. */

import type { ParseArgsOptionsConfig } from 'node:util'
import type { OwnRequests } from '../access-requests/own-requests.ts'
import type { Audit } from '../audit/event.ts'
import type { OwnCheckOuts } from '../check-out/own-check-outs.ts'
import type { Documents } from '../database/documents.ts'
import type { Principal } from '../identity/principal.ts'
import type { User } from '../identity/user.ts'
import type { Choice, Choices } from '../notifications/own-choices.ts'
import type { No, Yes } from '../policy/decide.ts'
import type { OwnProposals } from '../proposals/own-proposals.ts'
import type { Access } from '../session/access.ts'
import type { Conversation } from '../session/conversation.ts'
import type { PersonalAccess } from '../session/personal-access.ts'
import type { SessionStore } from '../session/records/session-store.ts'
import type { Login } from '../session/run-login.ts'
import type { Clock } from '../shared/clock.ts'
import type { ExitCode } from '../shared/exit-codes.ts'
import type { Favourites } from './favourites.ts'
import type { Output } from './output.ts'
import type { OwnWatching } from './own-watching.ts'

/** Of the API on TLS. */
export interface ApiAddress {
  /** As the configuration has it; null: the name by which the person reached the gateway, and `port`. */
  readonly url: string | null
  readonly port: number
  /** PEM. */
  readonly certificate: string
}

/** What a person may read of a decision. */
export type Shown =
  | (Pick<No, 'granted' | 'message'> & { readonly advice?: string })
  | (Pick<Yes, 'granted' | 'database' | 'channels' | 'endsAt' | 'idleMs' | 'recordInput' | 'recordExecInput'> & {
      readonly account: Pick<Yes['account'], 'name' | 'level'>
      readonly target: Pick<Yes['target'], 'name' | 'protocol'>
    })

/** What commands stand on: the same verbs that the API's routes use, for the person of this login alone. */
export interface CommandParts {
  readonly access: {
    look(person: Principal, address: { account?: string; target: string }): Promise<Shown>
    reachable: Access['reachable']
  }
  readonly users: Pick<Documents<User>, 'get'>
  readonly sessions: Pick<SessionStore, 'list'>
  readonly personalAccess: Pick<PersonalAccess, 'create' | 'list' | 'endOf' | 'revoke'>
  /** Null where it is not served but to the owner. */
  readonly apiAddress: () => Promise<ApiAddress | null>
  readonly favourites: Favourites
  /** Of the person of this login. */
  readonly checkOutsOf: (login: Login) => OwnCheckOuts
  /** The same. */
  readonly requestsOf: (login: Login) => OwnRequests
  /** The same. */
  readonly proposalsOf: (login: Login) => OwnProposals
  /** The same. */
  readonly notificationsOf: (login: Login) => {
    list(): Promise<Choices>
    choose(choice: Choice): Promise<void>
  }
  /** The same. */
  readonly watchingOf: (login: Login) => OwnWatching
  readonly audit: Audit
  readonly clock: Clock
}

export interface Call {
  readonly parts: CommandParts
  /** Who asks: read from the store for this command, so roles and factors are those of now. */
  readonly person: Principal
  /** The connection that the command came on. */
  readonly login: Login
  /** The channel itself, for what asks, waits or shows. */
  readonly conversation: Pick<Conversation, 'terminal' | 'gone' | 'write' | 'complain' | 'listen'>
  /** Words behind the command's name that are no options; as many as `usage` has, at most. */
  readonly words: readonly string[]
  readonly options: Readonly<Record<string, string | boolean | undefined>>
  readonly out: Output
}

export interface Command {
  readonly name: string
  /** One line, for `help`. */
  readonly summary: string
  /** What stands behind the name: `<account@target>`, `[--live]`. `--json` is understood by every command. */
  readonly usage: string
  readonly words: { readonly least: number; readonly most: number }
  readonly options?: ParseArgsOptionsConfig
  /** Throws CommandError for what the person can correct. */
  run(call: Call): Promise<ExitCode>
}

/** `message`: what is wrong; `hint`: what to do next. A line each. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exit: ExitCode
  readonly hint: string | undefined

  constructor(exit: ExitCode, message: string, hint?: string) {
    super(message)
    this.exit = exit
    this.hint = hint
  }
}
