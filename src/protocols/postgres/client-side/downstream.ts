/** The side of the user: one password request inside TLS, the answer to it, and the gateway's own words on the connection. */

import type { Socket } from 'node:net'
import type { Proof, Source } from '../../../identity/proof.ts'
import type { Brought, Downstream, NoticeAbout } from '../../../session/protocol.ts'
import type { EndReason } from '../../../session/state.ts'
import { type ErrorCode, type Refusal, refuse } from '../../../shared/errors.ts'
import { Secret } from '../../../shared/secret.ts'
import type { SocketReader } from '../../relaying/socket-reader.ts'
import type { CancelKey } from '../target-side/cancel.ts'
import type { StartupResult } from '../target-side/target-login.ts'
import {
  authenticationCleartextPassword,
  authenticationOk,
  backendKeyData,
  type ErrorFields,
  errorResponse,
  noticeResponse,
  parameterStatus,
  readyForQuery,
} from '../wire/backend-messages.ts'
import { BodyReader } from '../wire/message-body.ts'
import { TERMINATE } from '../wire/message-types.ts'
import { broughtIn } from './brought.ts'
import { fatal, isAfterLogin } from './sqlstate.ts'

const LAST_WORD_PATIENCE_MS = 1000
const MOST_WAITING_NOTICES = 16

const SENT_TOO_MUCH = refuse('PROTOCOL_VIOLATION', 'More was sent than is taken before the login is done.')

interface WaitingNotice {
  readonly bytes: Buffer
  /** What is said later about the same takes its place. */
  readonly about: NoticeAbout | undefined
}

export interface Startup {
  readonly login: string
  readonly minorVersion: number
  readonly parameters: ReadonlyMap<string, string>
}

export class PostgresDownstream implements Downstream {
  readonly protocol = 'postgres'
  readonly source: Source
  readonly login: string
  readonly database: string | undefined
  readonly details: Record<string, string>
  readonly gone: AbortSignal
  readonly loginOver: AbortSignal
  readonly socket: Socket
  readonly startup: Startup
  readonly #reader: SocketReader
  /** Called when the person has shown their proof: from here on it is not they who are slow. */
  readonly #onProof: () => void
  /** Called before a client that has not logged in is sent the reason. */
  readonly #beforeRefusal: (refusal: Refusal, session: string) => Promise<void>
  readonly #onAccept: () => void
  readonly #onDenied: (code: ErrorCode) => void
  #asked = false
  #answered = false
  #accepted = false
  #saidOk = false
  #sentFinalMessage = false
  #sentTooMuch = false
  readonly #loginOver = new AbortController()
  #targetSqlstate: string | undefined
  #notices: WaitingNotice[] = []
  #startup: { target: StartupResult; cancelKey: CancelKey } | undefined
  /** True where a message of the gateway may go in between: set by the relay. */
  #atBoundary: () => boolean = () => true
  /** Called with what the person is told. */
  #onNotice: (text: string) => void = () => undefined

  constructor(parts: {
    socket: Socket
    reader: SocketReader
    source: Source
    startup: Startup
    details: Record<string, string>
    onProof: () => void
    beforeRefusal: (refusal: Refusal, session: string) => Promise<void>
    onAccept: () => void
    onDenied: (code: ErrorCode) => void
  }) {
    this.socket = parts.socket
    this.source = parts.source
    this.startup = parts.startup
    this.login = parts.startup.login
    this.database = namedDatabase(parts.startup)
    this.details = parts.details
    this.#reader = parts.reader
    this.#onProof = parts.onProof
    this.#beforeRefusal = parts.beforeRefusal
    this.#onAccept = parts.onAccept
    this.#onDenied = parts.onDenied
    const gone = new AbortController()
    this.gone = gone.signal
    this.loginOver = this.#loginOver.signal
    const leave = () => {
      this.#loginOver.abort()
      gone.abort()
    }
    if (parts.socket.destroyed) leave()
    parts.socket.on('close', leave)
  }

  get carrier(): Socket {
    return this.socket
  }

  get answered(): boolean {
    return this.#answered
  }

  /** libpq sends one password and, when asked again, the same one: so there is one try a connection. */
  async nextProof(): Promise<Proof | undefined> {
    if (this.#asked) return undefined
    this.#asked = true
    this.socket.write(authenticationCleartextPassword())
    const message = await this.#reader.message()
    this.#answered = message !== undefined && message.type !== 'X'
    if (message?.type !== 'p') return undefined
    this.#onProof()
    void this.#leaveOnTerminate()
    const text = new Secret(new BodyReader(message.body).cstringBytes())
    message.body.fill(0)
    return { kind: 'password-with-code', text }
  }

  /** Who says goodbye while they wait to be let in has left, also where the socket stays open. Behind a statement it is the end of what was sent ahead. */
  async #leaveOnTerminate(): Promise<void> {
    const first = await this.#reader.peek(1)
    if (first?.[0] === TERMINATE) this.#loginOver.abort()
  }

  /** There is no second question in this protocol: the refusal comes with `deny`. */
  askFor(): void {}

  /** The ParameterStatus messages and the BackendKeyData of the target, for `accept`. */
  prepare(target: StartupResult, cancelKey: CancelKey): void {
    this.#startup = { target, cancelKey }
  }

  /** They may wait for long: whether they are still there shows only while their bytes are read. */
  async brought(): Promise<Brought> {
    this.#reader.onFull(() => {
      this.#sentTooMuch = true
      this.#loginOver.abort()
    })
    return { ...broughtIn(this.startup.parameters), attended: false }
  }

  /** Nothing is asked in this protocol once the password has come. */
  async ask(): Promise<undefined> {}

  /** A notice, which clients can bear from AuthenticationOk on: libpq shows it at once. */
  tell(line: string): void {
    if (!this.socket.writable) return
    const notice = noticeResponse({ severity: 'NOTICE', sqlstate: '00000', message: line })
    this.socket.write(Buffer.concat([...this.#authenticated(), notice]))
  }

  async accept(): Promise<void> {
    if (this.#startup === undefined) throw new Error('accepted before the target was connected')
    const { target, cancelKey } = this.#startup
    const messages = [...this.#authenticated(), ...this.#notices.map(({ bytes }) => bytes)]
    for (const [name, value] of target.parameters) messages.push(parameterStatus(name, value))
    messages.push(backendKeyData(cancelKey.processId, cancelKey.key), readyForQuery('I'))
    this.#notices = []
    this.#accepted = true
    this.socket.write(Buffer.concat(messages))
  }

  /** It is told once that the password was right. */
  #authenticated(): Buffer[] {
    if (this.#saidOk) return []
    this.#saidOk = true
    this.#onAccept()
    return [authenticationOk()]
  }

  /** The target's SQLSTATE is the better one for `deny`, where it may be told. */
  refusedByTarget(sqlstate: string | undefined): void {
    this.#targetSqlstate = sqlstate
  }

  async deny(given: Refusal, session: string): Promise<void> {
    const refusal = this.#sentTooMuch && given.code === 'LOGIN_GIVEN_UP' ? SENT_TOO_MUCH : given
    this.#onDenied(refusal.code)
    const { code, message, advice } = refusal
    const words = fatal(code, message, session, advice)
    const sqlstate = code === 'TARGET_LOGIN_FAILED' ? this.#targetSqlstate : undefined
    // As PostgreSQL does: who has logged in is told so first. After that libpq's sslmode=prefer does not try again without TLS.
    if (!this.#saidOk && !isAfterLogin(code)) await this.#beforeRefusal(refusal, session)
    else if (!this.#saidOk && this.socket.writable) this.socket.write(authenticationOk())
    await this.#sendFinalMessage(sqlstate === undefined ? words : { ...words, sqlstate })
  }

  /** A notice: clients cannot bear one before AuthenticationOk, nor inside another message; it waits for its moment. */
  notify(text: string, short?: string, aboutWhat: NoticeAbout = 'end'): void {
    this.#onNotice(text)
    const bytes = noticeResponse({ severity: 'NOTICE', sqlstate: '00000', message: text })
    const about = short === undefined ? undefined : aboutWhat
    if (about !== undefined) this.#notices = this.#notices.filter(earlier => earlier.about !== about)
    if (this.#accepted && this.#notices.length === 0 && this.#atBoundary()) this.socket.write(bytes)
    else if (this.#notices.length < MOST_WAITING_NOTICES) this.#notices.push({ bytes, about })
  }

  async close(_reason: EndReason, text?: string): Promise<void> {
    if (text === undefined || !this.#atBoundary()) return await this.#end()
    await this.#sendFinalMessage({ severity: 'FATAL', sqlstate: '57P01', message: text })
  }

  /** Hands the socket to the relay: gives what the client sent ahead. `atBoundary` says where notices may go; `onNotice` is told each of them. */
  beginRelay(atBoundary: () => boolean, onNotice: (text: string) => void): Buffer {
    this.#atBoundary = atBoundary
    this.#onNotice = onNotice
    return this.#reader.detach()
  }

  get hasWaitingNotices(): boolean {
    return this.#notices.length > 0
  }

  /** Called by the relay between two messages. */
  flushNotices(): void {
    for (const { bytes } of this.#notices) this.socket.write(bytes)
    this.#notices = []
  }

  /** A FATAL error is the final message: what comes after it would be taken for a fault of the gateway. */
  async #sendFinalMessage(words: ErrorFields): Promise<void> {
    if (!this.#sentFinalMessage && this.socket.writable) {
      this.#sentFinalMessage = true
      this.socket.write(errorResponse(words))
    }
    await this.#end()
  }

  /** Ends once everything written has left, or after a while when the client does not take it. */
  async #end(): Promise<void> {
    const { socket } = this
    if (socket.destroyed) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(() => socket.destroy(), LAST_WORD_PATIENCE_MS)
      socket.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
      socket.end()
      // Without reading, the end of the client would never be seen.
      socket.resume()
    })
  }
}

/** libpq names the database like the user when none is given: the whole login name is nobody's database. */
function namedDatabase({ parameters, login }: Startup): string | undefined {
  const database = parameters.get('database')
  if (database === undefined || database === '') return undefined
  return database.replaceAll(' ', '+') === login.replaceAll(' ', '+') ? undefined : database
}
