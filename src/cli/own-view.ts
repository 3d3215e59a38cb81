/** The holder of a personal token who may not see all sees what is their own, by the same commands. */

import type { Whoami } from '../api/routes/own.ts'
import { isPersonalTokenText } from '../identity/token-text.ts'
import { EXIT } from '../shared/exit-codes.ts'
import type { Client, Connection, OwnNoun, Query } from './client.ts'
import { CliError } from './exit.ts'

const OWN_ROUTE = /^\/v1\/(sessions(?:\/[^/]+(?:\/events)?)?|targets|explain|tokens(?:\/[^/]+)?)$/

/** Asks once what the token may do; any other connection is left as it is. */
export async function withOwnView(client: Client, connection: Connection): Promise<Client> {
  if ('socket' in connection || !isPersonalTokenText(connection.token.reveal())) return client
  const me = await client.get<Whoami>('/v1/whoami')
  const own = new Set<OwnNoun>([
    ...(me.scopes.includes('read') ? [] : (['sessions', 'targets', 'explain'] as const)),
    ...(me.scopes.includes('administrate') ? [] : (['tokens'] as const)),
    ...(me.scopes.includes('read') || me.scopes.includes('force-check-in') ? [] : (['check-outs'] as const)),
  ])
  const ownPath = (path: string) => {
    const noun = OWN_ROUTE.exec(path)?.[1]
    return noun !== undefined && own.has(noun.split('/')[0] as OwnNoun) ? `/v1/own/${noun}` : path
  }
  return {
    ...client,
    own,
    get: (path, query) => client.get(ownPath(path), ownQuery(path, query)),
    stream: (path, query) => client.stream(ownPath(path), ownQuery(path, query)),
    send: (method, path, body) => client.send(method, method === 'DELETE' ? ownPath(path) : path, body),
  }

  /** Whose they are, the token says. */
  function ownQuery(path: string, query: Query | undefined): Query | undefined {
    if (query?.user === undefined || ownPath(path) === path) return query
    const { user, ...rest } = query
    if (user === me.user) return rest
    throw new CliError(EXIT.notPermitted, `Your token shows what is ${me.user}'s own, and not ${user}'s.`)
  }
}
