/** User authentication as the server sees it (RFC 4252, RFC 4256): requests in, proofs out, one at a time, bound to one user name. */

import type { Proof } from '../../../identity/proof.ts'
import { type AskedFactor, type Factor, FIRST_FACTORS, type Showing, showingOf } from '../../../shared/factors.ts'
import { Secret } from '../../../shared/secret.ts'
import { boolean, message, string, uint32, WireError, WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { DISCONNECT, MESSAGE } from '../transport/messages.ts'
import type { Transport } from '../transport/transport.ts'
import { verifyUserSignature } from '../transport/user-key.ts'
import { MAX_KEYS_ASKED } from './limits.ts'

const METHODS = {
  signature: 'publickey',
  password: 'password',
  answer: 'keyboard-interactive',
  elsewhere: 'keyboard-interactive',
} as const satisfies Record<Showing['how'], string>
type Asking = Extract<Showing, { how: 'answer' | 'elsewhere' }>
/** Requests that a client may send without waiting for the answers. */
const MAX_WAITING = 4

export interface AuthenticationOptions {
  readonly login: string
  readonly maxTries: number
  /** Whether the key is one of the user's: decides only whether signing is worth the client's while, never who it is. */
  knowsPublicKey(blob: Buffer): Promise<boolean>
}

export interface AuthenticationRequest {
  readonly login: string
  readonly service: string
  readonly method: string
  readonly fields: WireReader
}

/** Reads USERAUTH_REQUEST up to the method's own fields. Throws WireError. */
export function readRequest(payload: Buffer): AuthenticationRequest {
  const fields = new WireReader(payload, 1)
  return { login: fields.utf8(), service: fields.utf8(), method: fields.utf8(), fields }
}

export class UserAuthentication {
  readonly #transport: Transport
  readonly #options: AuthenticationOptions
  #next: readonly Factor[] = FIRST_FACTORS
  #waiting: Buffer[] = []
  /** False until the pipeline asks: a login that is refused before is answered by the refusal alone. */
  #open = false
  /** True from a request to its answer. */
  #busy = false
  /** What the person is being asked for. */
  #asked: AskedFactor | undefined
  #triedSomething = false
  #tries = 0
  #keysAsked = 0
  #over = false
  #proof: Proof | undefined
  #deliver: ((proof: Proof | undefined) => void) | undefined

  constructor(transport: Transport, options: AuthenticationOptions) {
    this.#transport = transport
    this.#options = options
  }

  /** True once the client tried anything but `none`, be it to ask about a key. */
  get answered(): boolean {
    return this.#triedSomething
  }

  /** True when the client used up its tries. */
  get exhausted(): boolean {
    return this.#tries >= this.#options.maxTries || this.#keysAsked > MAX_KEYS_ASKED
  }

  /** Takes USERAUTH_REQUEST and USERAUTH_INFO_RESPONSE. Throws WireError for what breaks the protocol. */
  receive(type: number, payload: Buffer): void {
    if (this.#over) return
    if (type === MESSAGE.USERAUTH_INFO_RESPONSE) {
      if (this.#asked === undefined) throw new WireError('an answer to no question')
      this.#answer(this.#asked, payload)
    } else {
      // A new request in place of an answer gives the question up (RFC 4256 §3.1).
      if (this.#asked !== undefined) {
        this.#asked = undefined
        this.#busy = false
      }
      if (this.#waiting.length >= MAX_WAITING) throw new WireError('too many requests at once')
      this.#waiting.push(Buffer.from(payload))
      this.#takeNext()
    }
  }

  /** The next proof; undefined when there will be none. `first`: which may come, until a proof was answered. */
  nextProof(first?: readonly Factor[]): Promise<Proof | undefined> {
    if (!this.#open && first !== undefined) this.#next = first
    if (this.#over) return Promise.resolve(undefined)
    const proof = this.#proof
    this.#proof = undefined
    if (proof !== undefined) return Promise.resolve(proof)
    return new Promise(resolve => {
      this.#deliver = resolve
      this.#open = true
      this.#takeNext()
    })
  }

  /** Answers the proof in hand with a failure that names what may follow. */
  askFor(next: readonly Factor[], partial: boolean): void {
    if (this.#over) return
    this.#next = next
    this.#fail(partial)
  }

  /** No more proofs: the client left, took too long, or is let in. */
  end(): void {
    this.#over = true
    this.#transport.forgetHashed()
    // A client that is let in without a question may have sent a password.
    for (const payload of this.#waiting.splice(0)) payload.fill(0)
    this.#proof = undefined
    this.#deliver?.(undefined)
    this.#deliver = undefined
  }

  #takeNext(): void {
    if (!this.#open || this.#busy || this.#over) return
    const payload = this.#waiting.shift()
    if (payload === undefined) return
    this.#busy = true
    try {
      this.#request(payload)
    } catch (error) {
      // It may have waited: then nobody is there any more who would catch it.
      if (!(error instanceof WireError)) throw error
      this.#transport.disconnect(DISCONNECT.PROTOCOL_ERROR, 'a message broke the protocol')
    }
  }

  #request(payload: Buffer): void {
    const request = readRequest(payload)
    if (request.login !== this.#options.login || request.service !== 'ssh-connection') {
      // What was proven belongs to one name: never carry it over to another.
      this.#transport.disconnect(DISCONNECT.PROTOCOL_ERROR, 'the user name or service changed during authentication')
      return
    }
    const { method, fields } = request
    if (method !== 'none') this.#triedSomething = true
    const factor = this.#next.find(factor => methodOf(factor) === method)
    const showing = factor && showingOf(factor)
    if (showing === undefined) {
      if (method !== 'none') this.#tries += 1
      this.#refuse()
    } else if (showing.how === 'signature') this.#publicKey(payload, fields)
    else if (showing.how === 'password') this.#password(payload, fields)
    else this.#ask(factor as AskedFactor, showing)
  }

  #publicKey(payload: Buffer, fields: WireReader): void {
    const signed = fields.boolean()
    const algorithm = fields.utf8()
    const blob = fields.string()
    this.#keysAsked += 1
    if (!signed) {
      void this.#answerKeyQuestion(algorithm, blob)
      return
    }
    const signedBytes = payload.subarray(0, fields.offset)
    const data = Buffer.concat([string(this.#transport.sessionId), signedBytes])
    const signature = Buffer.from(fields.string())
    if (verifyUserSignature(blob, algorithm, signature, data)) {
      const beginning = this.#transport.hashed
      const signed = { algorithm, data, signature, ...(beginning === undefined ? {} : { beginning }) }
      this.#offer({ kind: 'publickey', blob: Buffer.from(blob), signed })
    } else {
      this.#tries += 1
      this.#refuse()
    }
  }

  /** PK_OK says "sign, if you like": a key that was merely asked about proves nothing, and nothing is remembered of it. */
  async #answerKeyQuestion(algorithm: string, blob: Buffer): Promise<void> {
    const known = await this.#options.knowsPublicKey(blob).catch(() => false)
    if (this.#over) return
    if (!known) {
      this.#refuse()
      return
    }
    this.#transport.send(message(MESSAGE.USERAUTH_PK_OK, string(algorithm), string(blob)))
    this.#answered()
  }

  #password(payload: Buffer, fields: WireReader): void {
    const change = fields.boolean()
    const password = new Secret(fields.string())
    payload.fill(0)
    if (!change) {
      this.#offer({ kind: 'password', password })
      return
    }
    this.#tries += 1
    this.#refuse()
  }

  /** What is confirmed elsewhere has no prompt: the client shows the instruction, and answers at once (RFC 4256 §3.3). */
  #ask(factor: AskedFactor, showing: Asking): void {
    this.#asked = factor
    const prompts = promptsOf(showing)
    const texts = [string('Sallyport'), string(showing.how === 'elsewhere' ? showing.instruction : ''), string('')]
    const written = prompts.flatMap(prompt => [string(prompt), boolean(false)])
    this.#transport.send(message(MESSAGE.USERAUTH_INFO_REQUEST, ...texts, uint32(prompts.length), ...written))
  }

  #answer(factor: AskedFactor, payload: Buffer): void {
    this.#asked = undefined
    const fields = new WireReader(payload, 1)
    const answers = fields.uint32()
    const asked = promptsOf(showingOf(factor)).length
    // As many answers as prompts; the count comes before anything is made of them.
    if (answers !== asked) {
      this.#tries += 1
      this.#refuse()
      return
    }
    const answer = new Secret(asked === 0 ? '' : fields.utf8().trim())
    payload.fill(0)
    this.#offer({ kind: factor, answer })
  }

  #offer(proof: Proof): void {
    const deliver = this.#deliver
    this.#deliver = undefined
    if (deliver === undefined) this.#proof = proof
    else deliver(proof)
  }

  /** A failure for a request that never became a proof. */
  #refuse(): void {
    if (this.exhausted) this.end()
    else this.#sendFailure(false)
  }

  #fail(partial: boolean): void {
    if (!partial) this.#tries += 1
    if (this.exhausted) this.end()
    else this.#sendFailure(partial)
  }

  #sendFailure(partial: boolean): void {
    const methods = [...new Set(this.#next.map(methodOf))].join(',')
    this.#transport.send(message(MESSAGE.USERAUTH_FAILURE, string(methods), boolean(partial)))
    this.#answered()
  }

  #answered(): void {
    this.#busy = false
    this.#takeNext()
  }
}

function promptsOf(showing: Showing): string[] {
  return showing.how === 'answer' ? [`${showing.wanted}: `] : []
}

function methodOf(factor: Factor): string {
  return METHODS[showingOf(factor).how]
}
