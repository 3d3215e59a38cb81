/** User authentication as the client sees it: logs in at a target with the leased credential (RFC 4252, RFC 4256). */

import { GatewayError } from '../../../shared/errors.ts'
import type { Secret } from '../../../shared/secret.ts'
import { boolean, message, string, uint32, WireReader } from '../../../shared/ssh-encoding/wire.ts'
import type { CredentialMaterial } from '../../../vault/lease.ts'
import type { SSH_METHODS } from '../facts/target.ts'
import type { SshTarget } from '../target.ts'
import { MESSAGE } from '../transport/messages.ts'
import { plain } from '../transport/texts.ts'
import type { Transport } from '../transport/transport.ts'
import { readSigningKey, type SigningKey } from './private-key.ts'

/** Rounds of keyboard-interactive: one asks for the password, some targets add a word or two. */
const MAX_ROUNDS = 8

/** So much of what a target says of itself is shown. */
const MAX_SHOWN = 120

type Method = (typeof SSH_METHODS)[number]

/** Each of these gives the password away, so at most one of them is tried: the first that the target offers and its entry allows. */
const WITH_PASSWORD = ['password', 'keyboard-interactive'] as const

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

/** The leased credential, ready to be used. */
export type TargetCredential =
  | { readonly kind: 'password'; readonly password: Secret }
  | { readonly kind: 'private-key'; readonly key: SigningKey }

/** Before the target is dialled. Throws `TARGET_LOGIN_FAILED` for a private key that cannot be read. */
export async function readCredential(material: CredentialMaterial): Promise<TargetCredential> {
  if (material.kind === 'password') return material
  try {
    return { kind: 'private-key', key: await readSigningKey(material) }
  } catch (error) {
    throw loginFailed(error)
  }
}

/** Who logs in with what, and where. */
export interface TargetLoginOptions {
  readonly target: Pick<SshTarget, 'name' | 'authentication'>
  readonly user: string
  readonly credential: TargetCredential
}

/** One login. Give it the messages; it tells once: the target's yes, `TARGET_LOGIN_FAILED`, or `TARGET_AUTHENTICATION_REFUSED`. */
export class TargetLogin {
  readonly #transport: Transport
  readonly #target: TargetLoginOptions['target']
  readonly #user: string
  readonly #credential: TargetCredential
  readonly #allowed: readonly Method[]
  #method: Method = 'none'
  #rounds = 0
  #answered = false
  #begun = false
  #over = false
  #banner = ''
  readonly #outcome: LoginOutcome

  constructor(transport: Transport, { target, user, credential }: TargetLoginOptions, outcome: LoginOutcome) {
    this.#transport = transport
    this.#target = target
    this.#user = user
    this.#credential = credential
    this.#allowed = target.authentication ?? (credential.kind === 'private-key' ? ['publickey'] : WITH_PASSWORD)
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
      case MESSAGE.USERAUTH_FAILURE:
        this.#failure(new WireReader(payload, 1).nameList())
        return
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

  /** A signature is good for this connection alone; a password is sent only once it is known that the target takes one. */
  #begin(): void {
    this.#begun = true
    if (this.#credential.kind === 'password') this.#try('none')
    else if (this.#allowed.includes('publickey')) this.#try('publickey')
    else this.#refuse('would be given a signature')
  }

  #failure(offered: string[]): void {
    const list = offered.join(', ') || 'nothing'
    if (this.#method !== 'none') {
      this.#refused(`the target refused ${this.#method} and offers ${list}`)
      return
    }
    const next = WITH_PASSWORD.find(method => offered.includes(method) && this.#allowed.includes(method))
    if (next === undefined) this.#refuse(`offers ${list.slice(0, MAX_SHOWN)}`)
    else this.#try(next)
  }

  #try(method: Method): void {
    this.#method = method
    if (method === 'none') this.#request(method)
    else if (this.#credential.kind === 'private-key') this.#signIn(this.#credential.key)
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
    const prompts = fields.uint32()
    if (++this.#rounds > MAX_ROUNDS || prompts > 1) {
      this.#refuse('asks for more than a password (keyboard-interactive)')
      return
    }
    if (prompts === 0) {
      this.#transport.send(message(MESSAGE.USERAUTH_INFO_RESPONSE, uint32(0)))
      return
    }
    fields.string()
    // The password goes only where it would not be shown, and once.
    if (fields.boolean() || this.#answered) {
      this.#refuse('asks for something else than a password (keyboard-interactive)')
      return
    }
    this.#answered = true
    this.#sendSecret(MESSAGE.USERAUTH_INFO_RESPONSE, uint32(1), this.#password())
  }

  /** As a field of a message. */
  #password(): Buffer {
    return string(this.#credential.kind === 'password' ? this.#credential.password.revealBytes() : '')
  }

  /** Below the floor of the target's entry, or not to be answered at all. */
  #refuse(what: string): void {
    const text =
      `The target ${this.#target.name} ${plain(what)}; what it may ask for with this credential is ${this.#allowed.join(', ')}. ` +
      'Its entry says so (authentication), or the kind of the credential.'
    this.#end(new GatewayError('TARGET_AUTHENTICATION_REFUSED', text))
  }

  #fail(why: string): void {
    this.#end(loginFailed(new Error(why)))
  }

  #refused(why: string): void {
    this.#end(loginFailed(new CredentialRefused(why, this.#banner)))
  }

  #end(error: GatewayError): void {
    this.#over = true
    this.#outcome.refused(error)
  }
}

export function loginFailed(cause: unknown): GatewayError {
  return new GatewayError('TARGET_LOGIN_FAILED', 'The target did not accept the stored credential of the account.', {
    cause,
  })
}
