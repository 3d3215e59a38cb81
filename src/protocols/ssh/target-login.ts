/** User authentication as the client sees it: logs in at a target with the leased credential (RFC 4252, RFC 4256). */

import { GatewayError } from '../../shared/errors.ts'
import { boolean, message, string, uint32, WireReader } from '../../shared/ssh-wire.ts'
import type { CredentialMaterial } from '../../vault/lease.ts'
import { MESSAGE } from './messages.ts'
import { readPrivateKey } from './private-key.ts'
import type { Transport } from './transport.ts'

/** Questions of one keyboard-interactive round; a target that asks more is not after a password. */
const MAX_PROMPTS = 4

type Method = 'none' | 'publickey' | 'password' | 'keyboard-interactive'

export interface LoginOutcome {
  /** Called before the next message is read, so that none is lost. */
  accepted(): void
  refused(error: GatewayError): void
}

/** One login. Give it the messages; it tells once, the target's yes or `TARGET_LOGIN_FAILED`. */
export class TargetLogin {
  readonly #transport: Transport
  readonly #account: string
  readonly #material: CredentialMaterial
  readonly #tried = new Set<Method>()
  #method: Method = 'none'
  #answered = false
  readonly #outcome: LoginOutcome

  constructor(transport: Transport, account: string, material: CredentialMaterial, outcome: LoginOutcome) {
    this.#transport = transport
    this.#account = account
    this.#material = material
    this.#outcome = outcome
  }

  /** Call it when the transport is ready. */
  start(): void {
    this.#transport.send(message(MESSAGE.SERVICE_REQUEST, string('ssh-userauth')))
  }

  /** Throws WireError for what breaks the protocol. */
  receive(type: number, payload: Buffer): void {
    switch (type) {
      case MESSAGE.SERVICE_ACCEPT:
        this.#try(this.#material.kind === 'private-key' ? 'publickey' : 'password')
        return
      case MESSAGE.USERAUTH_SUCCESS:
        // Success for nothing would mean that the target lets anyone in: then it is not the target we know.
        this.#tried.size > 0 ? this.#outcome.accepted() : this.#fail('success before the login')
        return
      case MESSAGE.USERAUTH_FAILURE:
        this.#failure(new WireReader(payload, 1).nameList())
        return
      case MESSAGE.USERAUTH_INFO_REQUEST:
        this.#question(payload)
        return
      case MESSAGE.USERAUTH_BANNER:
        return
      default:
        this.#fail(`message ${type} during the login`)
        return
    }
  }

  #failure(methods: string[]): void {
    const next = this.#method === 'password' ? 'keyboard-interactive' : undefined
    if (next !== undefined && methods.includes(next) && !this.#tried.has(next)) this.#try(next)
    else this.#fail(`the target refused ${[...this.#tried].join(', ')} and offers ${methods.join(', ') || 'nothing'}`)
  }

  #try(method: Method): void {
    this.#method = method
    this.#tried.add(method)
    if (method === 'publickey') this.#signIn()
    else if (method === 'password') this.#request(method, boolean(false), string(this.#password()))
    else this.#request(method, string(''), string(''))
  }

  #request(method: Method, ...fields: Uint8Array[]): void {
    const common = [string(this.#account), string('ssh-connection'), string(method)]
    this.#transport.send(message(MESSAGE.USERAUTH_REQUEST, ...common, ...fields))
  }

  #signIn(): void {
    const key = readPrivateKey(this.#material)
    if (key === undefined) {
      this.#fail('the private key cannot be read')
      return
    }
    const fields = [boolean(true), string(key.algorithm), string(key.blob)]
    const common = [string(this.#account), string('ssh-connection'), string('publickey')]
    const request = message(MESSAGE.USERAUTH_REQUEST, ...common, ...fields)
    const signature = key.sign(Buffer.concat([string(this.#transport.sessionId), request]))
    if (signature === undefined) this.#fail('the private key cannot sign')
    else
      this.#transport.send(Buffer.concat([request, string(Buffer.concat([string(key.algorithm), string(signature)]))]))
  }

  /** Message 60: questions (keyboard-interactive), or the wish for a new password. */
  #question(payload: Buffer): void {
    if (this.#method !== 'keyboard-interactive') {
      this.#fail('the target wants the password changed')
      return
    }
    const fields = new WireReader(payload, 1)
    for (let text = 0; text < 3; text++) fields.string()
    const prompts = fields.uint32()
    if (prompts > MAX_PROMPTS) {
      this.#fail('the target asks too many questions')
      return
    }
    const answers: Uint8Array[] = []
    for (let i = 0; i < prompts; i++) {
      fields.string()
      // The password goes only where it would not be shown, and once.
      if (fields.boolean() || this.#answered) {
        this.#fail('the target asks for more than a password')
        return
      }
      this.#answered = true
      answers.push(string(this.#password()))
    }
    this.#transport.send(message(MESSAGE.USERAUTH_INFO_RESPONSE, uint32(prompts), ...answers))
  }

  #password(): Buffer {
    return this.#material.kind === 'password' ? this.#material.password.revealBytes() : Buffer.alloc(0)
  }

  #fail(why: string): void {
    this.#outcome.refused(loginFailed(new Error(why)))
  }
}

export function loginFailed(cause: unknown): GatewayError {
  return new GatewayError('TARGET_LOGIN_FAILED', 'The target did not accept the stored credential of the account.', {
    cause,
  })
}
