/** The SSH side alone, in front of a real sshd: a port, a handler and a protocol with one user, one account, and a recorder in memory. */

import { identifySource } from '../../src/connections/accepted-connection.ts'
import { createPort, type PortOptions } from '../../src/connections/port.ts'
import { mintGrant } from '../../src/policy/grant.ts'
import type { Channel } from '../../src/protocols/registered.ts'
import { createSshConnectionHandler } from '../../src/protocols/ssh/client-side/connection-handler.ts'
import type { SshLimits } from '../../src/protocols/ssh/client-side/limits.ts'
import { createSshProtocol } from '../../src/protocols/ssh/protocol.ts'
import type { RelayedClient } from '../../src/protocols/ssh/relay/relay-peer.ts'
import type { SshTarget } from '../../src/protocols/ssh/target.ts'
import type { SshUpstream } from '../../src/protocols/ssh/target-side/upstream.ts'
import { generateKeyPair } from '../../src/protocols/ssh/transport/generate-key-pair.ts'
import type { RecordingEvent } from '../../src/recording/format/events.ts'
import type { Protocol } from '../../src/session/protocol.ts'
import { END_REASON_TEXT, type EndReason } from '../../src/session/state.ts'
import { closeInTurn } from '../../src/session/steps/close-in-turn.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { GatewayError, refuse } from '../../src/shared/errors.ts'
import type { Factor } from '../../src/shared/factors.ts'
import { createLog } from '../../src/shared/log.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { Secret } from '../../src/shared/secret.ts'
import { parseSshPublicKey } from '../../src/shared/ssh-encoding/public-key.ts'
import { type CredentialMaterial, receivedLease } from '../../src/vault/lease.ts'
import { directDialer } from './direct-dialer.ts'
import { memoryRecorder } from './memory-recorder.ts'

type SshListenerLimits = SshLimits & PortOptions['limits']

import { openSources } from './open-sources.ts'

export interface SshListenerParts {
  readonly target: Pick<SshTarget, 'host' | 'port' | 'hostKeys'>
  readonly account: string
  readonly material: CredentialMaterial
  /** The user's public key, as a line. */
  readonly publicKey?: string
  readonly password?: string
  readonly code?: string
  readonly factors?: Factor[]
  readonly channels?: Channel[]
  readonly recordInput?: boolean
  readonly recordExecInput?: boolean
  readonly limits?: Partial<SshListenerLimits>
  readonly execOutputLimitBytes?: number
  readonly logLevel?: string
}

export const ALL_CHANNELS: Channel[] = ['shell', 'exec', 'sftp', 'local-forward', 'remote-forward', 'agent', 'x11']

const LIMITS: SshListenerLimits = {
  loginGraceMs: 30_000,
  maxAuthTries: 6,
  maxUnauthenticated: 100,
  maxPerSource: 200,
  maxChannels: 64,
  rekeyBytes: 1024 ** 3,
  rekeyMs: 3_600_000,
}

export interface RunningSession {
  readonly session: string
  readonly events: RecordingEvent[]
  readonly refused: { what: string; why: string }[]
  reason: EndReason | undefined
  readonly abort: AbortController
  readonly ended: Promise<void>
}

/** The SSH listener with the simplest pipeline that keeps its promises; the real one is in `session/`. */
export async function startSshListener(parts: SshListenerParts) {
  const hostKey = generateKeyPair('ed25519')
  const sessions: RunningSession[] = []
  const refusedConnections: { code: string; why: string }[] = []
  const limits = { ...LIMITS, ...parts.limits }
  const key = parts.publicKey === undefined ? undefined : parseSshPublicKey(parts.publicKey)?.blob
  const protocol = createSshProtocol({
    limits,
    execOutputLimitBytes: parts.execOutputLimitBytes ?? 1024 * 1024,
    dialerFor: grant => directDialer(grant.target),
    clock: systemClock,
  })
  const log = createLog(parts.logLevel ?? 'silent')
  const metrics = createMetrics()
  const handler = createSshConnectionHandler({
    hostKeys: [hostKey.secret],
    limits,
    protocol,
    knowsPublicKey: async (user, blob) => user === 'alice' && key !== undefined && key.equals(blob),
    refusedConnection: (_source, code, why) => refusedConnections.push({ code, why }),
    clock: systemClock,
    log,
    metrics,
    findInside: async () => refuse('ACCESS_DENIED', 'There are no jumps here.'),
    runLogin: (downstream, session) => run(parts, key, protocol, downstream, session, sessions),
    run: (_protocol, downstream, session) => run(parts, key, protocol, downstream, session, sessions),
  })
  const listener = createPort({
    host: '127.0.0.1',
    port: 0,
    limits,
    sources: openSources(),
    patienceMs: 200,
    handle: accepted =>
      void identifySource(accepted, { handle: connection => handler.handle(connection), broken: () => undefined }),
    log,
  })
  const { host, port } = await listener.listen()
  return {
    host,
    port,
    hostKey: hostKey.public.trim(),
    sessions,
    refusedConnections,
    metrics,
    close() {
      listener.stopAccepting()
      return handler.close()
    },
  }
}

async function run(
  parts: SshListenerParts,
  key: Buffer | undefined,
  protocol: Protocol<RelayedClient, SshUpstream>,
  downstream: RelayedClient,
  session: string,
  sessions: RunningSession[],
): Promise<void> {
  const wanted: Factor[] = parts.factors ?? ['publickey']
  const proven = new Set<Factor>()
  while (!wanted.every(factor => proven.has(factor))) {
    const proof = await downstream.nextProof()
    if (proof === undefined) return downstream.deny(refuse('LOGIN_REFUSED', 'The login was refused.'), session)
    const right =
      (downstream.login.startsWith('alice') && proof.kind === 'publickey' && key?.equals(proof.blob)) ||
      (proof.kind === 'password' && proof.password.reveal() === parts.password) ||
      (proof.kind === 'totp' && proof.answer.reveal() === parts.code)
    if (right) proven.add(proof.kind as Factor)
    const next = wanted.find(factor => !proven.has(factor))
    if (next !== undefined) downstream.askFor([next], right === true)
  }
  const target: SshTarget = { protocol: 'ssh', name: 'box', labels: {}, accounts: [], ...parts.target }
  const grant = mintGrant({
    session,
    user: 'alice',
    target,
    account: { name: parts.account, level: 'basic', default: true },
    role: 'test',
    channels: new Set(parts.channels ?? ALL_CHANNELS),
    ends: { endsAt: Date.now() + 3_600_000, endsBy: 'maximum-time' },
    idleMs: undefined,
    recordInput: parts.recordInput ?? false,
    recordExecInput: parts.recordExecInput ?? true,
    execOutputLimitBytes: 0,
    recording: 'within-bound',
  })
  const lease = receivedLease('lea_test', grant, 1, parts.material)
  const abort = new AbortController()
  const finished = Promise.withResolvers<void>()
  const running: RunningSession = {
    session,
    events: [],
    refused: [],
    reason: undefined,
    abort,
    ended: finished.promise,
  }
  try {
    const upstream = await protocol.connect(grant, lease, downstream, abort.signal)
    sessions.push(running)
    await downstream.accept({ session, account: parts.account, target: 'box', endsAt: grant.endsAt })
    running.reason = await protocol.relay(downstream, upstream, {
      session,
      grant,
      recorder: memoryRecorder(running.events),
      signal: abort.signal,
      activity() {},
      count() {},
      refused: (what, why) => running.refused.push({ what, why }),
    })
    // As in the pipeline, where either of them stands above what the relay says.
    if (abort.signal.aborted) running.reason = 'killed'
    else if (downstream.gone.aborted) running.reason = 'client-closed'
    const left = abort.signal.aborted ? closeInTurn(upstream.carrier) : undefined
    await downstream.close(running.reason, abort.signal.aborted ? `Sallyport: ${END_REASON_TEXT.killed}` : undefined)
    await left
    upstream.close()
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    await downstream.deny(refuse(error.code, error.message), session)
  } finally {
    finished.resolve()
  }
}

export const keyMaterial = (privateKey: string): CredentialMaterial => ({
  kind: 'private-key',
  privateKey: new Secret(privateKey),
})
