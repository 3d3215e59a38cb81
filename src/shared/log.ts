/** Structured logs (pino): one JSON line an event, with everything that could be a secret taken out. */

import { type DestinationStream, type Logger, pino } from 'pino'

export type Log = Logger

// A safety net only: what could be a secret is a `Secret`, and shows itself as such.
const SECRET_FIELDS = ['password', 'passphrase', 'totp', 'secret', 'token', 'privateKey', 'authorization', 'cookie']

/** `level` is one of pino's: trace, debug, info, warn, error, silent. Writes to `destination`, by default stdout. */
export function createLog(level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SECRET_FIELDS.flatMap(field => [field, `*.${field}`]), censor: '[secret]' },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}
