/** What was asked for on a session channel of the gateway's own: a terminal, variables, and then one program. */

import { WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { ReplyQueue } from '../relay/reply-queue.ts'

import { ClientTerminal } from './terminal.ts'

/** Variables mean nothing to the gateway; they are kept for the session that may follow, where policy evaluates them. */
const MOST_VARIABLES = 64
const MOST_VARIABLE_BYTES = 16 * 1024
/** Clients end at once when a program is refused: give them time to show why. */
const READING_MS = 100

export interface Refused {
  readonly why: string
  /** Worth an audit event. */
  readonly audited: boolean
  /** What the person is to read, where the client would show nothing else. */
  readonly words?: string
}

const FORWARDS_NOTHING: Refused = { why: 'a login without a target forwards nothing', audited: true }
const NOT_KNOWN: Refused = { why: 'the gateway does not know it', audited: false }

export class RequestedProgram {
  /** Payloads of `env` requests behind the wish for a reply. */
  readonly environment: Buffer[] = []
  terminal: ClientTerminal | undefined
  /** Undefined: a shell. Meaningless before `started`. */
  command: string | undefined
  started = false
  readonly #reply: (success: boolean) => void
  readonly #replies = new ReplyQueue()
  #environmentBytes = 0

  /** `reply` answers the request that is due. */
  constructor(reply: (success: boolean) => void) {
    this.#reply = reply
  }

  /** Takes a request of a known shape; `rest` is what follows the wish for a reply. Returns why not, where it is refused. */
  request(name: string, rest: Buffer): Refused | undefined {
    switch (name) {
      case 'env':
        return this.#variable(rest)
      case 'pty-req':
        if (this.started || this.terminal !== undefined) return { ...NOT_KNOWN, why: 'there is a terminal already' }
        this.terminal = new ClientTerminal(new WireReader(rest))
        return undefined
      case 'window-change':
        this.terminal?.resized(new WireReader(rest))
        return undefined
      case 'shell':
        return this.#start(undefined)
      case 'exec':
        return this.#start(new WireReader(rest).utf8())
      case 'signal':
      case 'break':
      case 'xon-xoff':
      case 'eow@openssh.com':
        return undefined
      case 'subsystem': {
        const why = 'a login without a target has no subsystems'
        const words = `${new WireReader(rest).utf8()} needs a target: log in as user+account+target.`
        return { why, audited: true, words }
      }
      case 'auth-agent-req@openssh.com':
      case 'x11-req':
        return FORWARDS_NOTHING
      default:
        return NOT_KNOWN
    }
  }

  /** Answers in the order of the requests. */
  answer(success: boolean, later: boolean): void {
    this.#replies.refused(() => this.#reply(success), later ? READING_MS : 0)
  }

  #start(command: string | undefined): Refused | undefined {
    if (this.started) return { why: 'a program was started in this channel already', audited: true }
    this.started = true
    this.command = command
    return undefined
  }

  #variable(rest: Buffer): Refused | undefined {
    this.#environmentBytes += rest.length
    const tooMany = this.environment.length >= MOST_VARIABLES || this.#environmentBytes > MOST_VARIABLE_BYTES
    if (tooMany || this.started) return { why: 'there are too many variables', audited: false }
    this.environment.push(Buffer.from(rest))
    return undefined
  }
}
