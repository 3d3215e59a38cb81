/** The words that many layers have in common, each a closed list: factors, channels, levels, protocols, and how promptly is recorded. */

export const FACTORS = ['publickey', 'password', 'totp'] as const
export type Factor = (typeof FACTORS)[number]

/** What may be opened in a session: SSH channel kinds (RFC 4254), and for PostgreSQL `sql` and `replication`. */
export const CHANNELS = [
  'shell',
  'exec',
  'sftp',
  'local-forward',
  'remote-forward',
  'agent',
  'x11',
  'sql',
  'replication',
] as const
export type Channel = (typeof CHANNELS)[number]

export const LEVELS = ['basic', 'power', 'admin', 'system'] as const

export const PROTOCOLS = ['ssh', 'postgres'] as const
export type ProtocolName = (typeof PROTOCOLS)[number]

/**
 * What may be shown before it is written. `within-bound`: a little (the bounds in recording/writing/recorder.ts). `before-relay`: nothing; whatever is relayed
 * waits until the operating system has taken its events.
 */
export const PROMPTNESS = ['within-bound', 'before-relay'] as const
export type Promptness = (typeof PROMPTNESS)[number]
