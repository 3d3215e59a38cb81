/** The HTTP API: one contract (OpenAPI), served to the owner on a Unix socket and to the holders of tokens on TLS. */

import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import swagger from '@fastify/swagger'
import { type FastifyRequest, fastify } from 'fastify'
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod'
import { hideTokens } from '../identity/token-text.ts'
import { GatewayError, isRefusal } from '../shared/errors.ts'
import { SCOPE_MEANINGS } from '../shared/scopes.ts'
import { type Caller, createAuthentication, holdsOneOf, OWNER, REFUSAL_WINDOW_MS } from './authentication.ts'
import { endWithToken } from './end-with-token.ts'
import { answerFor, errorSchema } from './errors.ts'
import { type ApiPeer, closeServer, listenOnSocket, listenOnTls, type TlsListenerOptions } from './listeners.ts'
import type { ApiParts } from './parts.ts'
import { type Needed, neededFor, ROUTE_SCOPES } from './route-scopes.ts'
import { routes } from './routes/all.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Out of the table of `route-scopes.ts`. */
    needed?: Needed
  }
  interface FastifyRequest {
    caller: Caller
  }
}

export interface Api {
  /** Where it listens: the path of the socket, the URL of the TLS side. Throws `CONFIG_INVALID` or `CONFLICT` (see listeners). */
  listen(): Promise<{ socket?: string; url?: string }>
  close(): Promise<void>
}

const BODY_LIMIT_BYTES = 64 * 1024
const CLOSE_GRACE_MS = 1000
const DESCRIPTION = [
  'The API of a Sallyport gateway. Scopes of tokens:',
  '',
  ...Object.entries(SCOPE_MEANINGS).map(([scope, meaning]) => `- \`${scope}\`: ${meaning}`),
].join('\n')
const ERROR_RESPONSE = {
  description: 'An error',
  content: { 'application/json': { schema: errorSchema } },
}

/** Builds the API; nothing listens until `listen()`. */
export async function createApi(parts: ApiParts): Promise<Api> {
  const app = await createApp(parts)
  const servers: Server[] = []
  return {
    async listen() {
      const { socket, tls } = parts.listen
      const where: { socket?: string; url?: string } = {}
      if (socket !== undefined) {
        servers.push(await listenOnSocket(socket, app.routing, connection => app.owners.add(connection)))
        where.socket = socket
      }
      if (tls !== undefined) {
        const { server, url } = await listenOnTls({ ...tls, ...receivingOf(parts) }, app.routing, (connection, peer) =>
          app.peers.set(connection, peer),
        )
        servers.push(server)
        where.url = url
      }
      return where
    },
    async close() {
      await Promise.all(servers.map(server => closeServer(server, CLOSE_GRACE_MS)))
      await app.close()
    },
  }
}

function receivingOf(parts: ApiParts): Omit<TlsListenerOptions, 'host' | 'port' | 'key' | 'cert'> {
  const { sources, metrics, refusedConnections, isBalancer } = parts
  return {
    sources,
    isBalancer,
    onEvicted: () => metrics.evictions.inc({ protocol: 'api' }),
    broken: (source, why) => refusedConnections.record({ protocol: 'api', source, code: 'PROTOCOL_VIOLATION', why }),
    refused(source, { full, because }) {
      metrics.connectionsRefused.inc({ protocol: 'api', because })
      refusedConnections.record({ protocol: 'api', source, code: 'TOO_MANY_CONNECTIONS', why: full })
    },
  }
}

async function createApp(parts: ApiParts) {
  const { log, audit } = parts
  // Connections of the Unix socket. Whatever is not in here needs a token: a listener that forgets to add is a closed one.
  const owners = new WeakSet<Duplex>()
  const peers = new WeakMap<Duplex, ApiPeer>()
  const authentication = createAuthentication(parts)
  const app = fastify({
    bodyLimit: BODY_LIMIT_BYTES,
    // A HEAD of a recording would open it, audit it and throw it away.
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 256 },
  }).withTypeProvider<ZodTypeProvider>()

  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler((error, request, reply) => {
    const { status, body, unexpected } = answerFor(error, request.id)
    if (unexpected)
      log.error({ err: error, request: request.id, url: hideTokens(request.url) }, 'a request to the API failed')
    // RFC 6750 §3 and RFC 6585 §4.
    if (status === 401) reply.header('www-authenticate', 'Bearer')
    if (status === 429) reply.header('retry-after', REFUSAL_WINDOW_MS / 1000)
    return reply.code(status).send(body)
  })
  app.setNotFoundHandler(request => {
    throw new GatewayError('NOT_FOUND', `There is no ${request.method} ${request.url.split('?')[0]} here.`)
  })
  app.decorateRequest('caller')
  const unused = new Set(Object.keys(ROUTE_SCOPES))
  app.addHook('onRoute', route => {
    const needed = neededFor(String(route.method), route.url)
    if (needed === undefined) throw new Error(`${route.method} ${route.url} is not in the table of route-scopes.ts`)
    unused.delete(`${route.method} ${route.url}`)
    route.config = { ...route.config, needed }
    const { response = {}, ...schema } = (route.schema ?? {}) as { response?: Record<string, unknown> }
    route.schema = { ...schema, ...securityOf(needed), response: { ...response, default: ERROR_RESPONSE } }
  })
  // Before the body is read: who may not call sends nothing that we would keep.
  app.addHook('onRequest', async (request, reply) => {
    const { needed = [] } = request.routeOptions.config
    const peer = peers.get(request.raw.socket)
    peer?.slot.reached('login')
    peer?.slot.blame('nothing')
    if (needed === 'public') return
    const caller = await callerOf(request.raw)
    // Where there is no route, whoever has a token gets NOT_FOUND.
    const isKnown = request.routeOptions.url !== undefined
    if (isKnown && needed !== 'any-token' && !holdsOneOf(caller, needed)) await forbid(request, caller, needed)
    request.caller = caller
    if (caller.token !== undefined && needed !== 'any-token')
      endWithToken({ authentication, audit, log }, request, reply, needed)
  })

  async function forbid(request: FastifyRequest, caller: Caller, needed: readonly string[]): Promise<never> {
    const { held, token, source } = caller
    const route = `${request.method} ${request.routeOptions.url}`
    await audit.append({
      kind: 'api.refused',
      actor: caller.actor,
      data: { reason: 'scope', route, needed: needed.join(' or '), held, token, source },
    })
    throw new GatewayError(
      'FORBIDDEN',
      `This needs a token with the scope ${needed.join(' or ')}; this one has ${held === '' ? 'none' : held}.`,
    )
  }

  async function callerOf(request: IncomingMessage): Promise<Caller> {
    if (owners.has(request.socket)) return OWNER
    const caller = await authentication.callerOf(request, peers.get(request.socket))
    if (isRefusal(caller)) throw new GatewayError(caller.code, caller.message)
    return caller
  }

  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Sallyport', description: DESCRIPTION, version: parts.version },
      components: {
        securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'sallyport_pat_… or sp_…' } },
      },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
  })
  for (const route of routes)
    await app.register(async scoped => route(scoped.withTypeProvider<ZodTypeProvider>(), parts))
  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) =>
    reply.header('content-type', 'application/json').send(JSON.stringify(app.swagger())),
  )
  await app.ready()
  if (unused.size > 0) throw new Error(`route-scopes.ts names routes that are not there: ${[...unused].join(', ')}`)
  return { owners, peers, routing: app.routing.bind(app), close: () => app.close() }
}

/** What the OpenAPI document says of it. */
function securityOf(needed: Needed): { description?: string; security: Record<string, string[]>[] } {
  if (needed === 'public') return { security: [] }
  if (needed === 'any-token') return { description: 'Needs a token, whatever its scopes.', security: [{ token: [] }] }
  const names = needed.map(scope => `\`${scope}\``).join(' or ')
  return { description: `Needs the scope ${names}.`, security: needed.map(scope => ({ token: [scope] })) }
}
