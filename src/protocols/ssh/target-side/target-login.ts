/** User authentication as the client sees it: logs in at a target with the leased credential (RFC 4252, RFC 4256). */

import { GatewayError } from '../../../shared/errors.ts'
import type { Secret } from '../../../shared/secret.ts'
import { boolean, message, string, uint32, WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { withoutSecrets } from '../../../shared/text/without-secrets.ts'
import type { CredentialMaterial } from '../../../vault/lease.ts'
import type { SSH_METHODS } from '../facts/target.ts'
import type { SshTarget } from '../target.ts'
import { MESSAGE } from '../transport/messages.ts'
import type { Transport } from '../transport/transport.ts'
import { type Answer, answersFor, type Prompt } from './answer-prompts.ts'
import { readSigningKey, type SigningKey } from './private-key.ts'

/** Rounds of keyboard-interactive: one asks for the password, one for the code, some targets add a word or two. */
const MAX_ROUNDS = 8

/** So much of what a target says of itself is shown. */
const MAX_SHOWN = 120

/** In place of a refusal, where the first proof is one too many (OpenSSH's MaxAuthTries). */
const TOO_MANY = /too many authentication (?:failures|attempts)/i

type Method = (typeof SSH_METHODS)[number]

/** Each of these gives the password away, so at most one of them is tried: the first that the target offers and its entry allows. */
const WITH_PASSWORD = ['password', 'keyboard-interactive'] as const
/** `password` asks one question; where there is a code as well it comes second, after a partial success (RFC 4252 §5.1). */
const WITH_CODE = ['keyboard-interactive', 'password'] as const

/** The target was given a proof, and does not take it. */
export class CredentialRefused extends Error {
  override readonly name = 'CredentialRefused'
  /** The last that it said meanwhile (RFC 4252 §5.4). */
  readonly said: string

  constructor(message: string, said: string) {
    super(message)
    this.said = said
  }
}

export interface LoginOutcome {
  /** Called before the next message is read, so that none is lost. */
  accepted(): void
  refused(error: GatewayError): void
}

/** The leased credential, ready to be used; `nextCode` where the target may ask for a one-time code as well. */
export type TargetCredential = Pick<CredentialMaterial, 'nextCode'> &
  (
    | { readonly kind: 'password'; readonly password: Secret }
    | { readonly kind: 'private-key'; readonly key: SigningKey }
  )

/** Before the target is dialled. Throws `TARGET_LOGIN_FAILED` for a private key that cannot be read. */
export async function readCredential(material: CredentialMaterial): Promise<TargetCredential> {
  if (material.kind === 'password') return material
  const { nextCode } = material
  try {
    return { kind: 'private-key', key: await readSigningKey(material), ...(nextCode === undefined ? {} : { nextCode }) }
  } catch (error) {
    throw loginFailed(error)
  }
}

/** Who logs in with what, and where. */
export interface TargetLoginOptions {
  readonly target: Pick<SshTarget, 'name' | 'authentication'>
  readonly user: string
  readonly credential: TargetCredential
  /** Ends the waiting for a code. */
  readonly signal: AbortSignal
}

/** One login. Give it the messages; it tells once: the target's yes, `TARGET_LOGIN_FAILED`, or `TARGET_AUTHENTICATION_REFUSED`. */
export class TargetLogin {
  readonly #transport: Transport
  readonly #target: TargetLoginOptions['target']
  readonly #user: string
  readonly #credential: TargetCredential
  readonly #signal: AbortSignal
  /** What the target was not given yet. */
  readonly #left = new Set<Answer>()
  readonly #allowed: readonly Method[]
  #method: Method = 'none'
  #rounds = 0
  /** For the code that is asked for: nothing else may come meanwhile. */
  #waiting = false
  #begun = false
  #over = false
  #banner = ''
  readonly #outcome: LoginOutcome

  constructor(transport: Transport, { target, user, credential, signal }: TargetLoginOptions, outcome: LoginOutcome) {
    this.#transport = transport
    this.#target = target
    this.#user = user
    this.#credential = credential
    this.#signal = signal
    if (credential.kind === 'password') this.#left.add('password')
    if (credential.nextCode !== undefined) this.#left.add('code')
    this.#allowed = target.authentication ?? methodsFor(credential)
    this.#outcome = outcome
  }

  /** Call it when the transport is ready. */
  start(): void {
    this.#transport.send(message(MESSAGE.SERVICE_REQUEST, string('ssh-userauth')))
  }

  /** Throws WireError for what breaks the protocol. */
  receive(type: number, payload: Buffer): void {
    // What comes behind a refusal in the same packet must not be answered with the password after all.
    if (this.#over) return
    if (this.#waiting && type !== MESSAGE.USERAUTH_BANNER) {
      this.#fail('the target did not wait for its answer')
      return
    }
    switch (type) {
      case MESSAGE.SERVICE_ACCEPT:
        if (this.#begun) this.#fail('the service was accepted twice')
        else this.#begin()
        return
      case MESSAGE.USERAUTH_SUCCESS:
        // Success for nothing would mean that the target lets anyone in: then it is not the target we know.
        if (this.#method === 'none' && !this.#allowed.includes('none')) this.#refuse('lets anybody in without a proof')
        else this.#outcome.accepted()
        return
      case MESSAGE.USERAUTH_FAILURE: {
        const fields = new WireReader(payload, 1)
        this.#failure(fields.nameList(), fields.boolean())
        return
      }
      case MESSAGE.USERAUTH_INFO_REQUEST:
        this.#question(payload)
        return
      case MESSAGE.USERAUTH_BANNER:
        this.#banner = new WireReader(payload, 1).utf8().slice(-MAX_SHOWN * 4)
        return
      default:
        this.#fail(`message ${type} during the login`)
        return
    }
  }

  /** What it means that the target closed the connection meanwhile, with its own words. */
  disconnected(words: string): GatewayError {
    const why = `the target closed the connection${words === '' ? '' : `: ${this.#quoted(words)}`}`
    const refused = this.#method !== 'none' && TOO_MANY.test(words)
    return loginFailed(refused ? this.#refusal(why) : new Error(why))
  }

  /** A signature is good for this connection alone; a password is sent only once it is known that the target takes one. */
  #begin(): void {
    this.#begun = true
    if (this.#credential.kind === 'password') this.#try('none')
    else if (this.#allowed.includes('publickey')) this.#try('publickey')
    else this.#refuse('would be given a signature')
  }

  /** `partial`: what it was given is right, and it wants more. */
  #failure(offered: string[], partial: boolean): void {
    const list = this.#quoted(offered.join(', ')) || 'nothing'
    const next = this.#following().find(method => offered.includes(method) && this.#allowed.includes(method))
    if (this.#method !== 'none') {
      if (partial && next !== undefined && ++this.#rounds <= MAX_ROUNDS) this.#try(next)
      else this.#refused(`the target refused ${this.#method} and offers ${list}`)
      return
    }
    if (next === undefined) this.#refuse(`offers ${list}`)
    else this.#try(next)
  }

  /** The methods by which the target can be given what it was not given yet. */
  #following(): readonly Method[] {
    if (!this.#left.has('code')) return this.#left.has('password') ? WITH_PASSWORD : []
    return this.#left.has('password') ? WITH_CODE : ['keyboard-interactive']
  }

  #try(method: Method): void {
    this.#method = method
    if (method === 'none') this.#request(method)
    else if (method === 'publickey' && this.#credential.kind === 'private-key') this.#signIn(this.#credential.key)
    else if (method === 'password') this.#request(method, boolean(false), this.#password())
    else this.#request(method, string(''), string(''))
  }

  #request(method: Method, ...fields: Uint8Array[]): void {
    const common = [string(this.#user), string('ssh-connection'), string(method)]
    this.#sendSecret(MESSAGE.USERAUTH_REQUEST, ...common, ...fields)
  }

  /** The fields are this message's own, and overwritten with it. */
  #sendSecret(type: number, ...fields: Uint8Array[]): void {
    this.#transport.sendSecret(message(type, ...fields))
    for (const field of fields) field.fill(0)
  }

  #signIn(key: SigningKey): void {
    const fields = [boolean(true), string(key.algorithm), string(key.blob)]
    const common = [string(this.#user), string('ssh-connection'), string('publickey')]
    const request = message(MESSAGE.USERAUTH_REQUEST, ...common, ...fields)
    const signature = key.sign(Buffer.concat([string(this.#transport.sessionId), request]))
    this.#transport.send(Buffer.concat([request, string(Buffer.concat([string(key.algorithm), string(signature)]))]))
  }

  /** Message 60: questions (keyboard-interactive), or the wish for a new password. */
  #question(payload: Buffer): void {
    if (this.#method !== 'keyboard-interactive') {
      this.#refused('the target wants the password changed')
      return
    }
    const fields = new WireReader(payload, 1)
    for (let text = 0; text < 3; text++) fields.string()
    const count = fields.uint32()
    const withCodes = this.#credential.nextCode !== undefined
    if (++this.#rounds > MAX_ROUNDS || count > (withCodes ? 2 : 1)) {
      this.#refuse('asks for more than a password (keyboard-interactive)')
      return
    }
    const prompts = Array.from({ length: count }, (): Prompt => ({ text: fields.utf8(), echo: fields.boolean() }))
    const answers = answersFor(prompts, this.#left, { withCodes })
    if (answers === undefined)
      this.#refuse(`asks for something else than a password${withCodes ? ' or a code' : ''} (keyboard-interactive)`)
    else if (answers.includes('code')) this.#answerWithCode(answers)
    else this.#answer(answers, undefined)
  }

  #answerWithCode(answers: readonly Answer[]): void {
    this.#waiting = true
    this.#credential.nextCode!(this.#signal).then(
      code => {
        this.#waiting = false
        if (!this.#over) this.#answer(answers, code)
        code.erase()
      },
      error => {
        if (!this.#over) this.#end(error instanceof GatewayError ? error : loginFailed(error))
      },
    )
  }

  #answer(answers: readonly Answer[], code: Secret | undefined): void {
    const fields = answers.map(each => (each === 'password' ? this.#password() : string(code!.revealBytes())))
    for (const each of answers) this.#left.delete(each)
    this.#sendSecret(MESSAGE.USERAUTH_INFO_RESPONSE, uint32(fields.length), ...fields)
  }

  /** As a field of a message: the only one. */
  #password(): Buffer {
    this.#left.delete('password')
    return string(this.#credential.kind === 'password' ? this.#credential.password.revealBytes() : '')
  }

  /** Below the floor of the target's entry, or not to be answered at all. */
  #refuse(what: string): void {
    const text =
      `The target ${this.#target.name} ${what}; what it may ask for with this credential is ${this.#allowed.join(', ')}. ` +
      'Its entry says so (authentication), or the kind of the credential.'
    this.#end(new GatewayError('TARGET_AUTHENTICATION_REFUSED', text))
  }

  #fail(why: string): void {
    this.#end(loginFailed(new Error(why)))
  }

  #refused(why: string): void {
    this.#end(loginFailed(this.#refusal(why)))
  }

  #refusal(why: string): CredentialRefused {
    return new CredentialRefused(why, this.#quoted(this.#banner))
  }

  /** Of the target's own words what may be shown and logged: it knows the password. */
  #quoted(words: string): string {
    const secrets = this.#credential.kind === 'password' ? [this.#credential.password] : []
    return withoutSecrets(words, secrets, { most: MAX_SHOWN })
  }

  #end(error: GatewayError): void {
    this.#over = true
    this.#outcome.refused(error)
  }
}

function methodsFor({ kind, nextCode }: TargetCredential): readonly Method[] {
  if (kind === 'password') return WITH_PASSWORD
  return nextCode === undefined ? ['publickey'] : ['publickey', 'keyboard-interactive']
}

export function loginFailed(cause: unknown): GatewayError {
  return new GatewayError('TARGET_LOGIN_FAILED', 'The target did not accept the stored credential of the account.', {
    cause,
  })
}
