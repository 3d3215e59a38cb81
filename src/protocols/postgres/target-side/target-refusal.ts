/** A target's own "no": of its words what is plain ones, bounded and without any secret; what of it a person may see. */

import { GatewayError } from '../../../shared/errors.ts'
import type { Secret } from '../../../shared/secret.ts'
import { plainWords } from '../../../shared/text/plain-words.ts'
import { mayShareSecret } from '../../../shared/text/shares-secret.ts'
import { shortened } from '../../../shared/text/shortened.ts'
import { readError } from '../wire/server-answers.ts'

const MOST_WORDS = 300
const SQLSTATE = /^[0-9A-Z]{5}$/
/** It speaks of the shared account's credential, which is none of the person's business. */
const INVALID_PASSWORD = '28P01'
/** Success, warnings, and what clients would take for a no to their own login. */
const NOT_PASSED_ON = /^(?:0[012]|28)/

/** The target's ErrorResponse during login; `message` is for logs. */
export class TargetRefusal extends Error {
  readonly sqlstate: string
  /** Undefined where they are withheld. */
  readonly words: string | undefined
  /** It came after the target had taken the password: the no is to something else. */
  readonly proven: boolean
  readonly #body: Buffer

  /** `body` is of an ErrorResponse; throws PROTOCOL_VIOLATION where it is none. */
  constructor(body: Buffer, { withheld = false, proven = false } = {}) {
    const answer = readError(body)
    const sqlstate = SQLSTATE.test(answer.sqlstate) ? answer.sqlstate : 'XX000'
    const words = withheld ? undefined : shortened(plainWords(answer.message).join(' '), MOST_WORDS)
    super(`the target answered ${sqlstate}: ${words ?? '(words that could hold the credential)'}`)
    this.name = 'TargetRefusal'
    this.sqlstate = sqlstate
    this.words = words
    this.proven = proven
    this.#body = body
  }

  /** The same, after the target had taken the password. */
  afterProof(): TargetRefusal {
    return new TargetRefusal(this.#body, { withheld: this.words === undefined, proven: true })
  }

  /** The same without its words, where they share a piece with one of the secrets, or the target has the password in the clear. */
  keeping(secrets: readonly Secret[], sentInClear: boolean): TargetRefusal {
    const withheld = sentInClear || mayShareSecret(this.#body.toString('utf8'), secrets)
    return withheld ? new TargetRefusal(this.#body, { withheld, proven: this.proven }) : this
  }
}

/** A login that the target refused, as the person reads it; `sqlstate` is what their client is told, where it may be the target's. */
export class TargetLoginFailed extends GatewayError {
  readonly sqlstate: string | undefined

  constructor(target: string, refusal: TargetRefusal) {
    super('TARGET_LOGIN_FAILED', textFor(target, refusal), { cause: refusal })
    this.sqlstate = NOT_PASSED_ON.test(refusal.sqlstate) ? undefined : refusal.sqlstate
  }
}

function textFor(target: string, { sqlstate, words }: TargetRefusal): string {
  if (sqlstate === INVALID_PASSWORD) {
    return `The target ${target} did not accept the login of this account; ask its administrator.`
  }
  return words === undefined
    ? `The target ${target} refused the login (SQLSTATE ${sqlstate}); its words are withheld, as they could hold the credential.`
    : `The target ${target} says: ${words} [SQLSTATE ${sqlstate}]`
}
