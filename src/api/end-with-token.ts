/** An answer may go on for hours (a session that is followed): it ends when its caller's token does, or the right to it. */

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Audit } from '../audit/event.ts'
import type { Log } from '../shared/log.ts'
import { formatScopes, type Scope } from '../shared/scopes.ts'
import type { Authentication } from './authentication.ts'

/** After so long it is asked again whether a caller may have what they are still being given. */
const LOOK_AGAIN_MS = 2000

/** `needed`: one of these scopes is enough. */
export function endWithToken(
  { authentication, audit, log }: { authentication: Pick<Authentication, 'scopesNow'>; audit: Audit; log: Log },
  request: FastifyRequest,
  reply: FastifyReply,
  needed: readonly Scope[],
): void {
  const { actor, source, token } = request.caller

  async function look(): Promise<void> {
    const now = await authentication.scopesNow(request.raw, source)
    if (needed.some(scope => now.has(scope)) || reply.raw.destroyed) return
    reply.raw.destroy()
    const route = `${request.method} ${request.routeOptions.url}`
    const data = { route, token, source, needed: needed.join(' or '), held: formatScopes(now) }
    await audit.append({ kind: 'api.ended', actor, data })
  }

  const timer = setInterval(() => {
    // Where the store is away nobody knows: what goes on, goes on, as sessions do.
    look().catch(error => log.warn({ err: error }, 'it could not be asked whether a token is still good'))
  }, LOOK_AGAIN_MS).unref()
  reply.raw.on('close', () => clearInterval(timer))
}
