/** The person's side of the protocol of the tests: `alice+root+box PASSWORDCODE`, answered by `OK …` or `NO …`. */

import type { Socket } from 'node:net'
import type { Proof, Source } from '../../../src/identity/proof.ts'
import type { Downstream } from '../../../src/session/protocol.ts'
import type { Refusal } from '../../../src/shared/errors.ts'
import { Secret } from '../../../src/shared/secret.ts'

export class LineDownstream implements Downstream {
  readonly protocol = 'lines' as never
  readonly socket: Socket
  readonly source: Source
  readonly login: string
  readonly database = undefined
  readonly details = {}
  readonly answered = true
  readonly gone: AbortSignal
  readonly loginOver: AbortSignal
  readonly #proofs: Proof[]

  get carrier() {
    return this.socket
  }

  constructor(socket: Socket, source: Source, login: string, secret: string) {
    this.socket = socket
    this.source = source
    this.login = login
    const gone = new AbortController()
    socket.once('close', () => gone.abort())
    this.gone = gone.signal
    this.loginOver = gone.signal
    this.#proofs = [{ kind: 'password-with-code', text: new Secret(secret) }]
  }

  async nextProof() {
    return this.#proofs.shift()
  }
  askFor() {}
  async accept({ session }: { session: string }) {
    this.socket.write(`OK ${session}\n`)
  }
  async deny({ code, message }: Refusal, session: string) {
    this.socket.end(`NO ${code} ${session} ${message}\n`)
  }
  notify() {}
  async brought() {
    return { attended: false }
  }
  async ask() {
    return undefined
  }
  tell() {}
  async close(_reason: string, text?: string) {
    this.socket.end(text === undefined ? '' : `BYE ${text}\n`)
  }
}
