/** The PostgreSQL front alone, with real parts but a decision and a factor that the test gives: for tests of the protocol itself. */

import { writeFileSync } from 'node:fs'
import { pino } from 'pino'
import { createLocalCluster } from '../../src/cluster/local.ts'
import { identifySource } from '../../src/connections/accepted-connection.ts'
import { createPort } from '../../src/connections/port.ts'
import type { Proof } from '../../src/identity/proof.ts'
import { databaseOf } from '../../src/policy/databases.ts'
import { mintGrant } from '../../src/policy/grant.ts'
import { createPostgresConnectionHandler } from '../../src/protocols/postgres/client-side/connection-handler.ts'
import type { PostgresDownstream } from '../../src/protocols/postgres/client-side/downstream.ts'
import { createPostgresProtocol, type PostgresProtocol } from '../../src/protocols/postgres/protocol.ts'
import { createCancellations } from '../../src/protocols/postgres/target-side/cancel.ts'
import type { Channel } from '../../src/protocols/registered.ts'
import type { FactEvent, ProtectedPart, RecordingEvent } from '../../src/recording/format/events.ts'
import type { Recorder } from '../../src/recording/writing/recorder.ts'
import { closeInTurn } from '../../src/session/steps/close-in-turn.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { type ErrorCode, GatewayError, refuse } from '../../src/shared/errors.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { Secret } from '../../src/shared/secret.ts'
import { generateTlsCertificate } from '../../src/shared/tls/issue-certificate.ts'
import { type TargetInput, targetSchema } from '../../src/targets/target.ts'
import { receivedLease } from '../../src/vault/lease.ts'
import { directDialer } from './direct-dialer.ts'
import { memoryRecorder } from './memory-recorder.ts'
import { openSources } from './open-sources.ts'
import { cstring, frame, type RawClient, startup } from './postgres-bytes.ts'

/** What the front takes for the right password with its code. */
export const RIGHT_ANSWER = 'correct horse123456'

/** Logs in on a raw connection, on which TLS is settled; resolves when requests may be sent. */
export async function logIn(client: RawClient, parameters: Record<string, string> = {}): Promise<void> {
  client.socket.write(startup({ user: 'alice+postgres+orders', ...parameters }))
  await client.sees('R\0\0\0\x08\0\0\0\x03')
  client.socket.write(frame('p', cstring(RIGHT_ANSWER)))
  await client.sees('Z\0\0\0\x05I')
}

export interface FrontOptions {
  readonly target: Partial<Extract<TargetInput, { protocol: 'postgres' }>>
  readonly account: string
  readonly password: string
  readonly channels?: Channel[]
  readonly allowPlaintextFromLoopback?: boolean
  readonly loginGraceMs?: number
  /** Where the balancer is from which all connections come, as if it had said that they are its own machine's. */
  readonly balancer?: string
  readonly maxPerSource?: number
  readonly maxUnauthenticated?: number
  readonly caFile?: string
  /** Changes to the recorder, which keeps facts in memory and is never behind. */
  readonly recorder?: Partial<Recorder>
}

export interface Front {
  readonly host: string
  readonly port: number
  /** Facts of all sessions, in order. */
  readonly facts: FactEvent[]
  /** What was not to be shown of the fact at this place. */
  readonly protectedParts: Map<FactEvent, ProtectedPart>
  readonly ended: { session: string; reason: string }[]
  readonly refused: { source: string; code: ErrorCode; detail: string }[]
  readonly causes: string[]
  readonly certificatePem: string
  readonly proofs: string[]
  /** Ends the open sessions as an administrator would. */
  kill(): void
  /** Says something to everyone who is connected. */
  notify(text: string): void
  /** Resolves when a session has ended since the last call. */
  sessionEnded(): Promise<string>
  statements(): Extract<FactEvent, { type: 'statement' }>[]
  close(): Promise<void>
}

export async function startPostgresFront(options: FrontOptions): Promise<Front> {
  const target = targetSchema.parse({
    name: 'orders',
    host: '127.0.0.1',
    accounts: [{ name: options.account }],
    tls: 'disable',
    ...options.target,
    protocol: 'postgres',
  })
  const account = target.accounts[0]!
  const facts: FactEvent[] = []
  const protectedParts = new Map<FactEvent, ProtectedPart>()
  const ended: { session: string; reason: string }[] = []
  const refused: { source: string; code: ErrorCode; detail: string }[] = []
  const causes: string[] = []
  const proofs: string[] = []
  const live = new Map<PostgresDownstream, AbortController>()
  const waiting: ((reason: string) => void)[] = []
  const log = pino({ level: process.env.SALLYPORT_TEST_LOG ?? 'silent' })
  const metrics = createMetrics()
  const cluster = createLocalCluster({ clock: systemClock, gateway: 'gw_test' })
  const cancellations = await createCancellations({ cluster, log })
  const tls = await generateTlsCertificate(['localhost', '127.0.0.1'], Date.now())
  if (options.caFile !== undefined) writeFileSync(options.caFile, tls.cert)

  async function run(protocol: PostgresProtocol, downstream: PostgresDownstream, session: string): Promise<void> {
    const proof: Proof | undefined = await downstream.nextProof()
    const text = proof?.kind === 'password-with-code' ? proof.text.reveal() : ''
    proofs.push(text)
    if (text !== RIGHT_ANSWER) return await downstream.deny(refuse('LOGIN_REFUSED', 'The login was refused.'), session)
    const grant = mintGrant({
      session,
      user: 'alice',
      target,
      account,
      database: databaseOf(downstream.database, target),
      role: 'test',
      channels: new Set(options.channels ?? ['sql']),
      ends: { endsAt: Number.MAX_SAFE_INTEGER, endsBy: 'maximum-time' },
      idleMs: undefined,
      recordInput: false,
      recordExecInput: true,
      execOutputLimitBytes: 0,
      recording: 'within-bound',
    })
    const lease = receivedLease('lea_test', grant, 1, { kind: 'password', password: new Secret(options.password) })
    const abort = new AbortController()
    live.set(downstream, abort)
    downstream.gone.addEventListener('abort', () => abort.abort(), { once: true })
    let reason = 'connect-failed'
    try {
      const upstream = await protocol.connect(grant, lease, downstream, abort.signal)
      await downstream.accept()
      const closedBy = await protocol.relay(downstream, upstream, {
        session,
        grant,
        recorder: memoryRecorder(facts as RecordingEvent[], options.recorder, protectedParts),
        signal: abort.signal,
        activity: () => undefined,
        count: () => undefined,
        refused: () => undefined,
      })
      reason = abort.signal.aborted && !downstream.gone.aborted ? 'killed' : closedBy
      const left = abort.signal.aborted ? closeInTurn(upstream.carrier) : undefined
      await downstream.close(closedBy, reason === 'killed' ? `killed (session ${session})` : undefined)
      await left
      upstream.close()
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      causes.push(String((error.cause as Error | undefined)?.message ?? ''))
      await downstream.deny(refuse(error.code, error.message), session)
    } finally {
      live.delete(downstream)
      ended.push({ session, reason })
      for (const resolve of waiting.splice(0)) resolve(reason)
    }
  }

  const handler = createPostgresConnectionHandler({
    tls,
    allowPlaintextFromLoopback: options.allowPlaintextFromLoopback ?? false,
    loginGraceMs: options.loginGraceMs ?? 10_000,
    protocol: createPostgresProtocol({ cancellations, dialerFor: grant => directDialer(grant.target), log }),
    run,
    cancellations,
    refused: ({ source, code, detail }) => refused.push({ source, code, detail }),
    clock: systemClock,
    log,
    metrics,
  })
  const listener = createPort({
    host: '127.0.0.1',
    port: 0,
    limits: {
      maxUnauthenticated: options.maxUnauthenticated ?? 100,
      maxPerSource: options.maxPerSource ?? 200,
    },
    sources: openSources(),
    patienceMs: 200,
    handle(accepted) {
      if (options.balancer) Object.defineProperty(accepted.socket, 'remoteAddress', { value: options.balancer })
      void identifySource(accepted, { handle: connection => handler.handle(connection), broken: () => undefined })
    },
    log,
  })
  const { host, port } = await listener.listen()
  return {
    host,
    port,
    facts,
    protectedParts,
    ended,
    refused,
    causes,
    certificatePem: tls.cert,
    proofs,
    kill() {
      for (const abort of live.values()) abort.abort()
    },
    notify(text) {
      for (const downstream of live.keys()) downstream.notify(text)
    },
    sessionEnded: () => new Promise(resolve => waiting.push(resolve)),
    statements: () => facts.filter(fact => fact.type === 'statement'),
    async close() {
      listener.stopAccepting()
      await handler.close()
      await cancellations.close()
      await cluster.close()
    },
  }
}
