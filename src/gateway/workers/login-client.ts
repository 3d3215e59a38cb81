/** The client of a login as its gateway sees it: a worker asks it for proofs, and what it says of them is verified here. */

import { z } from 'zod'
import type { Proof } from '../../identity/proof.ts'
import type { Brought, LoginClient } from '../../session/protocol.ts'
import { unlessAborted } from '../../shared/concurrency/unless-aborted.ts'
import type { Remote } from '../../shared/rpc.ts'
import type { Claim } from './gateway-methods.ts'
import type { WorkerMethods } from './messages.ts'
import { proofMessage, proofOfMessage } from './proof-message.ts'

/** As long as a client may say it. */
const words = z.string().max(16_384).optional()
const broughtMessage = z.strictObject({
  ...{ reason: words, ticket: words, length: words },
  attended: z.boolean(),
  forwardsOnly: z.literal(true).optional(),
  canKeep: z.boolean().optional(),
})
/** A client says it with what it asks for first. */
const BROUGHT_WITHIN_MS = 30_000
const answer = z.strictObject({ proof: proofMessage.optional(), answered: z.boolean() })

export interface LoginClientParts {
  readonly session: string
  readonly claim: Claim
  readonly worker: Remote<WorkerMethods>
  /** Aborted when there will be no more proofs. */
  readonly loginOver: AbortSignal
  /** Aborted when nothing more is asked: the worker is gone, or has taken too long. */
  readonly cut: AbortSignal
  /** Whether the key has signed for this connection and this login name. */
  readonly provesKey: (proof: Extract<Proof, { kind: 'publickey' }>) => boolean
  /** Who it is is proven: it is let in, or waits for that. */
  readonly admitted: () => void
  /** The worker sent what no worker sends. */
  readonly refused: (why: string) => void
}

export class RemoteLoginClient implements LoginClient {
  readonly protocol
  readonly source
  readonly login
  readonly database
  readonly outer
  readonly loginOver: AbortSignal
  readonly admitted: () => void
  answered = false
  readonly #parts: LoginClientParts

  constructor(parts: LoginClientParts) {
    const { protocol, source, login, database, outer } = parts.claim
    this.protocol = protocol
    this.source = source
    this.login = login
    this.database = database
    this.outer = outer
    this.loginOver = parts.loginOver
    this.admitted = parts.admitted
    this.#parts = parts
  }

  async nextProof(first?: Parameters<LoginClient['nextProof']>[0]): Promise<Proof | undefined> {
    const { worker, session, cut, refused, provesKey } = this.#parts
    if (cut.aborted) return undefined
    // A worker that is gone answers nothing more.
    const answered = worker.call('nextProof', session, first).catch(() => undefined)
    const said = await unlessAborted(cut, answered, undefined)
    if (said === undefined) return undefined
    const parsed = answer.safeParse(said)
    if (!parsed.success) {
      refused('a proof that is none')
      return undefined
    }
    const { proof: message, answered: shown } = parsed.data
    // Whoever has tried something was there.
    this.answered ||= shown || message !== undefined
    const proof = message && proofOfMessage(message)
    if (proof?.kind !== 'publickey' || provesKey(proof)) return proof
    refused('a key that has not signed for this connection')
    return undefined
  }

  async brought(): Promise<Brought> {
    const { worker, session, loginOver, refused } = this.#parts
    this.admitted()
    const answered = worker.call('brought', session).catch(() => undefined)
    const patience = AbortSignal.any([loginOver, AbortSignal.timeout(BROUGHT_WITHIN_MS)])
    const said = await unlessAborted(patience, answered, undefined)
    const parsed = broughtMessage.safeParse(said ?? { attended: false })
    if (parsed.success) return parsed.data
    refused('words that are none')
    return { attended: false }
  }

  async ask(question: string): Promise<string | undefined> {
    const { worker, session, loginOver, refused } = this.#parts
    const answered = worker.call('ask', session, question).catch(() => undefined)
    const said = await unlessAborted(loginOver, answered, undefined)
    const parsed = words.safeParse(said)
    if (parsed.success) return parsed.data
    refused('an answer that is none')
    return undefined
  }

  tell(line: string): void {
    this.#parts.worker.notify('tell', this.#parts.session, line)
  }

  askFor(...question: Parameters<LoginClient['askFor']>): void {
    this.#parts.worker.notify('askFor', this.#parts.session, ...question)
  }
}
