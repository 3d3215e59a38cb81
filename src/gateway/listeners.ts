/** Takes the connections of all protocols, in a worker: a handler for each, and behind it the pipeline. */

import { type AcceptedConnection, identifySource } from '../connections/accepted-connection.ts'
import type { ConnectionHandler } from '../connections/connection-handler.ts'
import type { ProtocolName } from '../protocols/registered.ts'
import { createSelfService } from '../self-service/converse.ts'
import { runLogin } from '../session/run-login.ts'
import { runSession } from '../session/run-session.ts'
import type { HandlerParts } from '../session/served-protocol.ts'
import type { Report } from '../shared/metrics.ts'
import { createSessionDialer } from './dialers.ts'
import { CLOSE_MS } from './parts.ts'
import { loadProtocols } from './protocols.ts'
import type { Certificates } from './served-certificates.ts'
import type { WorkerConfig } from './workers/worker-config.ts'
import type { WorkerParts } from './workers/worker-parts.ts'

export interface Listeners {
  handle(protocol: ProtocolName, accepted: AcceptedConnection): void
  report(): Promise<Report>
  /** No new sessions; the open ones are warned, and ended when `drainMs` has passed or `hurry` aborts. Resolves when they are over. */
  drain(drainMs: number, hurry: AbortSignal): Promise<void>
}

/** `certificates`: of the protocols that show one. What was opened is on `started`, to be closed in reverse. */
export async function createListeners(
  parts: WorkerParts,
  config: WorkerConfig,
  certificates: Certificates,
  started: AsyncDisposableStack,
): Promise<Listeners> {
  const { live, log, metrics, state } = parts
  const handlers = new Map<string, ConnectionHandler>()
  const served = await loadProtocols()
  const dialerFor = createSessionDialer(parts, served)
  for (const [name, protocol] of served.all) {
    if (!config.settings[name]?.enabled) continue
    const common = { dialerFor, started }
    const handler = await protocol.createHandler(handlerParts(parts, config, certificates, name, common))
    started.defer(() => handler.close())
    handlers.set(name, handler)
  }
  return {
    handle(protocol, accepted) {
      void identifySource(accepted, {
        handle: connection => handlers.get(protocol)!.handle(connection),
        broken: (source, why) => parts.refusedConnections.record({ protocol, source, code: 'PROTOCOL_VIOLATION', why }),
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

function handlerParts(
  parts: WorkerParts,
  config: WorkerConfig,
  certificates: Certificates,
  protocol: string,
  common: Pick<HandlerParts, 'dialerFor' | 'started'>,
): HandlerParts {
  const { clock, cluster, log, metrics, refusedConnections } = parts
  return {
    ...{ clock, cluster, log, metrics, ...common },
    certificate: certificates[protocol],
    settings: config.settings[protocol],
    execOutputLimitBytes: config.recording.execOutputLimitBytes,
    ownKeys: parts.ownKeys(protocol),
    findInside: parts.findInside,
    knowsPublicKey: parts.knowsPublicKey,
    run: pipelineOf(parts),
    runLogin: loginsOf(parts),
    converse: createSelfService(parts.ownParts),
    refused: connection => refusedConnections.record({ protocol, ...connection }),
  }
}

function loginsOf(parts: WorkerParts): HandlerParts['runLogin'] {
  return (downstream, id, serve) => {
    const ended = runLogin(parts, downstream, id, serve).finally(() => parts.pipelines.delete(ended))
    parts.pipelines.add(ended)
    return ended
  }
}

function pipelineOf(parts: WorkerParts): HandlerParts['run'] {
  return (protocol, downstream, session) => {
    const ended = runSession(parts, protocol, downstream, session).finally(() => parts.pipelines.delete(ended))
    parts.pipelines.add(ended)
    return ended
  }
}
