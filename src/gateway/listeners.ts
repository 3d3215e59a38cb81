/** Takes the connections of all protocols, in this process: a handler for each, and behind it the pipeline. */

import type { Config } from '../config/config.ts'
import { type Arrival, greet } from '../connections/arrival.ts'
import type { ConnectionHandler } from '../connections/connection-handler.ts'
import { createPostgresConnectionHandler } from '../protocols/postgres/client-side/connection-handler.ts'
import { createToldInsideTls } from '../protocols/postgres/client-side/told-inside-tls.ts'
import { createPostgresProtocol } from '../protocols/postgres/protocol.ts'
import { createCancellations } from '../protocols/postgres/target-side/cancel.ts'
import { createSshConnectionHandler } from '../protocols/ssh/client-side/connection-handler.ts'
import { createSshProtocol } from '../protocols/ssh/protocol.ts'
import { generateKeyPair } from '../protocols/ssh/transport/generate-key-pair.ts'
import { nativeCryptography } from '../protocols/ssh/transport/ssh2-internals.ts'
import { createSelfService } from '../self-service/converse.ts'
import type { Downstream, RunSession, Upstream } from '../session/protocol.ts'
import { type RunLogin, runLogin } from '../session/run-login.ts'
import { runSession } from '../session/run-session.ts'
import type { Report } from '../shared/metrics.ts'
import type { TlsCertificate } from '../shared/tls-certificate.ts'
import type { ProtocolName } from '../shared/vocabulary.ts'
import { apiAddress } from './api-address.ts'
import { CLOSE_MS, type GatewayParts } from './parts.ts'

export interface Listeners {
  enter(protocol: ProtocolName, arrival: Arrival): void
  report(): Promise<Report>
  /** No new sessions; the open ones are warned, and ended when `drainMs` has passed or `hurry` aborts. Resolves when they are over. */
  drain(drainMs: number, hurry: AbortSignal): Promise<void>
}

const HOST_KEY_TYPES = ['ed25519', 'ecdsa'] as const

/** `certificate`: what PostgreSQL's clients see. What was opened is on `started`, to be closed in reverse. */
export async function createListeners(
  parts: GatewayParts,
  config: Config,
  certificate: TlsCertificate,
  started: AsyncDisposableStack,
): Promise<Listeners> {
  const { live, log, metrics, state } = parts
  const handlers: Partial<Record<ProtocolName, ConnectionHandler>> = {
    ...(config.ssh.enabled ? { ssh: await sshHandler(parts, config) } : {}),
    ...(config.postgres.enabled ? { postgres: await postgresHandler(parts, config, certificate, started) } : {}),
  }
  for (const handler of Object.values(handlers)) started.defer(() => handler.close())
  return {
    enter(protocol, arrival) {
      void greet(arrival, {
        enter: connection => handlers[protocol]!.enter(connection),
        broken: (source, why) => parts.refusedConnections.tell({ protocol, source, code: 'PROTOCOL_VIOLATION', why }),
      })
    },
    report: async () => ({
      sessions: live.count,
      taking: true,
      metrics: [await metrics.registry.getMetricsAsJSON()],
    }),
    async drain(drainMs, hurry) {
      state.stopping = true
      if (live.count === 0) return
      log.info({ sessions: live.count, drainMs }, 'waiting for the open sessions')
      live.notifyAll(`The gateway is stopping: this session ends in ${Math.ceil(drainMs / 1000)} seconds.`)
      await live.drained(drainMs, hurry)
      live.abortAll('gateway-stopped')
      await live.drained(CLOSE_MS)
    },
  }
}

async function sshHandler(parts: GatewayParts, config: Config): Promise<ConnectionHandler> {
  const { authenticator, clock, log, metrics, refusedConnections, vault } = parts
  // ssh2 falls back without a word.
  if (!nativeCryptography)
    log.warn("ssh2's native binding is missing: SSH costs three times the CPU; repair it with scripts/bring")
  const hostKeys = await Promise.all(
    HOST_KEY_TYPES.map(
      async type => (await vault.ownKey(`ssh-host-${type}`, async () => generateKeyPair(type))).secret,
    ),
  )
  const limits = config.ssh
  return createSshConnectionHandler({
    hostKeys,
    limits,
    protocol: createSshProtocol({ limits, execOutputLimitBytes: config.recording.execOutputLimitBytes, clock }),
    run: pipelineOf(parts),
    runLogin: loginsOf(parts),
    converse: config.ssh.selfService
      ? createSelfService({ ...parts, apiAddress: () => apiAddress(parts, config) })
      : undefined,
    knowsPublicKey: authenticator.knowsPublicKey,
    refusedConnection: ({ address }, code, why, session) =>
      refusedConnections.tell({ protocol: 'ssh', source: address, code, why, session }),
    clock,
    log,
    metrics,
  })
}

async function postgresHandler(
  parts: GatewayParts,
  config: Config,
  tls: TlsCertificate,
  started: AsyncDisposableStack,
): Promise<ConnectionHandler> {
  const { clock, cluster, log, metrics, refusedConnections } = parts
  const cancellations = await createCancellations({ cluster, log })
  started.defer(() => cancellations.close())
  const { allowPlaintextFromLoopback, busyPolling, loginGraceMs } = config.postgres
  return createPostgresConnectionHandler({
    tls,
    allowPlaintextFromLoopback,
    loginGraceMs,
    protocol: createPostgresProtocol({ cancellations, log, busyPolling }),
    run: pipelineOf(parts),
    cancellations,
    told: createToldInsideTls({ cluster, log }),
    refused: ({ source, code, session, detail }) =>
      refusedConnections.tell({ protocol: 'postgres', source, code, why: detail, session }),
    clock,
    log,
    metrics,
  })
}

function loginsOf<D extends Downstream>(parts: GatewayParts): RunLogin<D> {
  return (downstream, id, serve) => {
    const ended = runLogin(parts, downstream, id, serve).finally(() => parts.pipelines.delete(ended))
    parts.pipelines.add(ended)
    return ended
  }
}

function pipelineOf<D extends Downstream, U extends Upstream>(parts: GatewayParts): RunSession<D, U> {
  return (protocol, downstream, session) => {
    const ended = runSession(parts, protocol, downstream, session).finally(() => parts.pipelines.delete(ended))
    parts.pipelines.add(ended)
    return ended
  }
}
