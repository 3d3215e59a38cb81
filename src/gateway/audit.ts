/** The gateway's audit log, with all that the configuration wants of it: files, stdout, and heads that are sent out. */

import { readFile } from 'node:fs/promises'
import { type AuditLog, createAuditLog } from '../audit/audit-log.ts'
import { boundEvents } from '../audit/bounded-events.ts'
import { type AuditSink, createStreamSink, openFileSink } from '../audit/copy/sinks.ts'
import { type HeadDestination, headFile, headReceiver, headTimeStamps } from '../audit/heads/head-destinations.ts'
import { type SendHeads, sendHeads } from '../audit/heads/send-heads.ts'
import type { Config } from '../config/config.ts'
import { readTrusted } from '../config/tls-files.ts'
import type { Database } from '../database/database.ts'
import { createUsers } from '../identity/users.ts'
import type { Clock } from '../shared/clock.ts'
import type { Signer } from '../shared/cryptography/signer.ts'
import {
  parseWebhookSecrets,
  WEBHOOK_SECRET_WORDS,
  type WebhookSecrets,
} from '../shared/cryptography/standard-webhooks.ts'
import { GatewayError, isRefusal, messageOf } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import type { Metrics } from '../shared/metrics.ts'
import { parseLoginName } from '../shared/names.ts'

interface Parts {
  readonly config: Config
  readonly database: Database
  readonly signer: Signer
  readonly metrics: Metrics
  readonly gateway: string
  readonly clock: Clock
  readonly log: Log
}

/** What was opened is on `started`. Throws `CONFIG_INVALID`. */
export async function openGatewayAudit(parts: Parts, started: AsyncDisposableStack): Promise<AuditLog> {
  const { config, database, signer, gateway, clock, log } = parts
  let heads: SendHeads | undefined
  const stored = (seq: number) => heads?.stored(seq)
  const sinks = await openSinks(config)
  const audit = createAuditLog({ database, signer, gateway, clock, sinks, log, stored })
  const settings = config.audit.heads
  if (settings !== undefined) {
    const { everyEvents, everyMs } = settings
    const destinations = await destinationsOf(settings, clock)
    heads = sendHeads({ ...parts, everyEvents, everyMs, destinations, audit: event => audit.append(event) })
    const { close } = heads
    // After the log is closed: the last head is that of its end.
    started.defer(close)
  }
  started.defer(() => audit.close())
  const users = createUsers({ database, clock })
  const bounded = boundEvents({
    ...{ audit, clock, log },
    async userOf(login) {
      const name = parseLoginName(login)
      return isRefusal(name) ? undefined : (await users.get(name.user))?.name
    },
  })
  // What was only counted is recorded before the log ends, and before the gateway says that it stops.
  started.defer(() => bounded.flush())
  const all: AuditLog = {
    ...audit,
    async append(event) {
      if (event.kind === 'gateway.stopped') await bounded.flush()
      await bounded.append(event)
    },
  }
  const after = settings?.refuseLoginsAfterMs
  return after === undefined ? all : { ...all, append: refusingLogins(all, () => heads!.overdueMs() > after) }
}

/** A decision that cannot be written is not carried out: so no session begins while heads are overdue. */
function refusingLogins(audit: AuditLog, overdue: () => boolean): AuditLog['append'] {
  return event => {
    if (event.kind !== 'decision.granted' || !overdue()) return audit.append(event)
    const message = 'The heads of the audit log could not be sent out for too long (audit.heads.refuseLoginsAfter).'
    return Promise.reject(new GatewayError('AUDIT_UNAVAILABLE', message))
  }
}

async function openSinks({ audit }: Config): Promise<AuditSink[]> {
  const sinks: AuditSink[] = []
  if (audit.file !== undefined) sinks.push(await openFileSink(audit.file))
  if (audit.stdout) sinks.push(createStreamSink())
  return sinks
}

type HeadSettings = NonNullable<Config['audit']['heads']>

async function destinationsOf({ file, http, timeStamp }: HeadSettings, clock: Clock): Promise<HeadDestination[]> {
  const destinations: HeadDestination[] = []
  if (file !== undefined) destinations.push(headFile(file))
  if (http !== undefined) {
    const { url, caFile, timeout } = http
    const ca = caFile === undefined ? undefined : await readTrusted(caFile)
    const secret = await secretOf(http)
    destinations.push(headReceiver({ url: new URL(url), secret, ca, timeoutMs: timeout, now: () => clock.now() }))
  }
  if (timeStamp !== undefined && file !== undefined) {
    const { url, caFile, timeout } = timeStamp
    const trusted = await readTrusted(caFile)
    destinations.push(headTimeStamps({ url: new URL(url), file, trusted, timeoutMs: timeout }))
  }
  return destinations
}

async function secretOf({
  secretFile,
  secretEnvironment,
}: NonNullable<HeadSettings['http']>): Promise<WebhookSecrets | undefined> {
  if (secretFile === undefined && secretEnvironment === undefined) return undefined
  const place = secretFile ?? `the environment variable ${secretEnvironment}`
  const text =
    secretFile === undefined
      ? process.env[secretEnvironment!]
      : await readFile(secretFile, 'utf8').catch(cause => {
          throw new GatewayError('CONFIG_INVALID', `audit.heads.http.secretFile cannot be read: ${messageOf(cause)}`, {
            cause,
          })
        })
  const secret = parseWebhookSecrets(text ?? '')
  if (secret !== undefined) return secret
  throw new GatewayError('CONFIG_INVALID', `audit.heads.http: ${place} is not ${WEBHOOK_SECRET_WORDS}`)
}
