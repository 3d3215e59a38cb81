/** The pipeline without a wire: a person and a target that do what a test says, on the parts of a real gateway. */

import type { Proof } from '../../src/identity/proof.ts'
import { type BrokerParts, createBroker } from '../../src/session/broker/create-broker.ts'
import type {
  Carrier,
  Downstream,
  Protocol,
  RelayContext,
  SessionNotice,
  Upstream,
} from '../../src/session/protocol.ts'
import { type PipelineParts, runSession } from '../../src/session/run-session.ts'
import type { EndReason } from '../../src/session/state.ts'
import type { Refusal } from '../../src/shared/errors.ts'
import { newId } from '../../src/shared/ids.ts'
import { Secret } from '../../src/shared/secret.ts'
import { startTestGateway, type TestGateway, type TestUser } from './start-gateway.ts'

/** What a test may do at each step; each may throw or wait. */
export interface Script {
  beforeProof?(): void | Promise<void>
  connecting?(signal: AbortSignal): void | Promise<void>
  accepting?(): void | Promise<void>
  relaying?(context: RelayContext): void | Promise<void>
  closing?(): void | Promise<void>
  /** The target is left, in whichever way. */
  leaving?(): void
}

/** There are no sockets here. */
const closedCarrier: Carrier = { closed: true, writableFinished: true, once: () => undefined, destroy: () => undefined }

export class ScriptedDownstream implements Downstream {
  readonly protocol = 'ssh'
  readonly source = { address: '192.0.2.7', port: 50_000 }
  readonly database = undefined
  readonly details = {}
  readonly login: string
  readonly #leaving = new AbortController()
  readonly #script: Script
  readonly #proofs: Proof[]
  accepted: SessionNotice | undefined
  denied: Refusal | undefined
  closed: { reason: EndReason; text: string | undefined } | undefined

  constructor(login: string, proofs: Proof[], script: Script) {
    this.login = login
    this.#proofs = proofs
    this.#script = script
  }

  get carrier() {
    return closedCarrier
  }

  get gone(): AbortSignal {
    return this.#leaving.signal
  }

  get loginOver(): AbortSignal {
    return this.#leaving.signal
  }

  leave(): void {
    this.#leaving.abort()
  }

  readonly answered = true

  async nextProof(): Promise<Proof | undefined> {
    await this.#script.beforeProof?.()
    return this.#proofs.shift()
  }

  askFor(): void {}
  notify(): void {}
  async brought() {
    return { attended: false }
  }
  async ask() {
    return undefined
  }
  tell(): void {}

  async accept(notice: SessionNotice): Promise<void> {
    this.accepted = notice
    await this.#script.accepting?.()
  }

  async deny(refusal: Refusal): Promise<void> {
    this.denied = refusal
  }

  async close(reason: EndReason, text?: string): Promise<void> {
    await this.#script.closing?.()
    this.closed = { reason, text }
  }
}

export interface ScriptedGateway {
  readonly gateway: TestGateway
  readonly alice: TestUser
  /** Begins a session of alice on root@web-01, password and code proven; `over` resolves when the pipeline has ended. */
  begin(script?: Script, parts?: Partial<PipelineParts & BrokerParts>): ScriptedSession
}

export interface ScriptedSession {
  readonly id: string
  readonly downstream: ScriptedDownstream
  readonly over: Promise<void>
  /** True from the moment the target is connected until it is told to close. */
  upstreamOpen(): boolean
}

export async function startScriptedGateway(): Promise<ScriptedGateway> {
  const gateway = await startTestGateway()
  await gateway.addRole({ name: 'ops', targets: { names: ['web-01'] }, accounts: { names: ['root'] } })
  await gateway.addTarget(
    { name: 'web-01', protocol: 'ssh', host: '127.0.0.1', accounts: [{ name: 'root' }] },
    { root: { kind: 'password', password: new Secret('the password of root') } },
  )
  const alice = await gateway.addUser({ name: 'alice', roles: ['ops'] })
  return {
    gateway,
    alice,
    begin(script = {}, parts = {}) {
      const id = newId('ses', gateway.clock.now())
      const proofs: Proof[] = [
        { kind: 'password', password: new Secret(alice.password) },
        { kind: 'totp', answer: new Secret(alice.code()) },
      ]
      const downstream = new ScriptedDownstream('alice+root+web-01', proofs, script)
      let open = false
      const protocol: Protocol<ScriptedDownstream, Upstream> = {
        name: 'ssh',
        async connect(_grant, _lease, _downstream, signal) {
          await script.connecting?.(signal)
          open = true
          const leave = () => {
            if (open) script.leaving?.()
            open = false
          }
          return { carrier: { ...closedCarrier, destroy: leave }, close: leave }
        },
        async relay(_downstream, _upstream, context) {
          const { signal } = context
          const aborted = Promise.withResolvers<void>()
          signal.addEventListener('abort', () => aborted.resolve())
          if (signal.aborted) return 'client-closed'
          await Promise.race([aborted.promise, script.relaying?.(context) ?? aborted.promise])
          return 'client-closed'
        },
      }
      const all = { ...gateway.parts, ...parts }
      const over = runSession({ ...all, broker: createBroker(all) }, protocol, downstream, id)
      return { id, downstream, over, upstreamOpen: () => open }
    },
  }
}
