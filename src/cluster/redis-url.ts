/** Reads the URL of a Redis server. Neither it nor what is thrown is ever printed: it may hold the password. */

import { isIP } from 'node:net'
import type { SecureContext } from 'node:tls'
import { GatewayError } from '../shared/errors.ts'
import { trustIn } from '../shared/tls/system-trust.ts'

export interface RedisConnectionOptions {
  readonly host: string
  readonly port: number
  readonly username?: string
  readonly password?: string
  readonly db: number
  readonly tls?: { readonly servername?: string; readonly ca?: string; readonly secureContext?: SecureContext }
}

/** `ca`: PEM text, for `rediss:` only; without it, what the system trusts. Throws `CONFIG_INVALID` without a word of the URL in it. */
export function redisConnectionOptions(text: string, ca?: string): RedisConnectionOptions {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const database = url === undefined ? null : /^\/?(\d{0,5})$/.exec(url.pathname)
  if (
    url === undefined ||
    database === null ||
    (url.protocol !== 'redis:' && url.protocol !== 'rediss:') ||
    url.hostname === '' ||
    url.search !== '' ||
    url.hash !== ''
  ) {
    throw new GatewayError(
      'CONFIG_INVALID',
      'The Redis URL must be of the form redis://[user][:password@]host[:port][/database], or rediss:// for TLS.',
    )
  }
  if (ca !== undefined && url.protocol !== 'rediss:') {
    throw new GatewayError(
      'CONFIG_INVALID',
      'Certificates for Redis are of use with rediss:// (TLS) only; the URL says redis://.',
    )
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return {
    host,
    port: url.port === '' ? 6379 : Number(url.port),
    ...(url.username === '' ? {} : { username: decode(url.username) }),
    ...(url.password === '' ? {} : { password: decode(url.password) }),
    db: Number(database[1]),
    ...(url.protocol === 'rediss:'
      ? {
          tls: {
            ...(isIP(host) === 0 ? { servername: host } : {}),
            ...trustIn(ca),
          },
        }
      : {}),
  }
}

/** A `%` that is no escape stands for itself. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
