/** Which startup parameters of a client are passed on to the target: an allow-list, and an error that names what is not on it. */

import { GatewayError } from '../../../shared/errors.ts'

/**
 * Settings that a client may give at startup. The others could be of a kind that cannot be undone in the session, load
 * libraries, or change how statements are read and logged; a client that needs one says `SET` after login, which is recorded.
 */
const SETTINGS = new Set(
  [
    'application_name',
    'client_encoding',
    'client_min_messages',
    'DateStyle',
    'IntervalStyle',
    'TimeZone',
    'bytea_output',
    'extra_float_digits',
    'search_path',
    'statement_timeout',
    'lock_timeout',
    'idle_in_transaction_session_timeout',
    'idle_session_timeout',
    'default_transaction_isolation',
    'default_transaction_read_only',
    'default_transaction_deferrable',
    'geqo',
    'jit',
    'work_mem',
    'synchronous_commit',
  ].map(name => name.toLowerCase()),
)

/** What a client says to the gateway; the target is not told. */
const FOR_GATEWAY = new Set(['sallyport.reason', 'sallyport.ticket', 'sallyport.for'])

const FALSE = /^(false|off|no|0)$/i

export interface StartupOptions {
  /** Settings to send with the StartupMessage. */
  readonly settings: ReadonlyMap<string, string>
  /** The value of `replication`, where the client asks for it. */
  readonly replication?: string
}

/** Sorts a client's startup parameters (`user` and `database` aside). Throws CHANNEL_DENIED for one that is not passed on. */
export function readStartupOptions(parameters: ReadonlyMap<string, string>): StartupOptions {
  const settings = new Map<string, string>()
  let replication: string | undefined
  for (const [name, value] of parameters) {
    if (name === 'user' || name === 'database' || isForGateway(name)) continue
    if (name === 'replication') {
      if (!FALSE.test(value)) replication = value
    } else if (name === 'options') {
      for (const [option, optionValue] of parseOptions(value)) {
        if (!isForGateway(option)) settings.set(allowed(option), optionValue)
      }
    } else settings.set(allowed(name), value)
  }
  return { settings, ...(replication === undefined ? {} : { replication }) }
}

export function isForGateway(name: string): boolean {
  return FOR_GATEWAY.has(name.toLowerCase())
}

function allowed(name: string): string {
  if (SETTINGS.has(name.toLowerCase())) return name
  throw new GatewayError(
    'CHANNEL_DENIED',
    `The startup parameter "${printable(name)}" is not passed on to targets; use SET after login`,
  )
}

/**
 * Reads `options` as the server does: words between white space, a backslash takes the next character as it is, and of the
 * switches only `-c name=value`, `-cname=value` and `--name=value`. Throws CHANNEL_DENIED for others.
 */
export function parseOptions(text: string): [name: string, value: string][] {
  const words = [...text.matchAll(/(?:\\[\s\S]|[^\s\\])+/g)].map(([word]) => word.replace(/\\([\s\S])/g, '$1'))
  const settings: [string, string][] = []
  for (let i = 0; i < words.length; i++) {
    let word = words[i]!
    if (word === '-c') word = `-c${words[++i] ?? ''}`
    const match = /^(?:-c|--)([A-Za-z_][\w.-]*)=([\s\S]*)$/.exec(word)
    if (match === null) {
      throw new GatewayError('CHANNEL_DENIED', `Of the startup options only -c name=value is passed on to targets`)
    }
    // A dash in a switch's name stands for an underscore (ParseLongOption in guc.c).
    settings.push([match[1]!.replaceAll('-', '_'), match[2]!])
  }
  return settings
}

function printable(text: string): string {
  return text.slice(0, 64).replace(/[^\x20-\x7e]/g, '?')
}
