/** The channels that the configuration names, with what is in their files. */

import { readFile } from 'node:fs/promises'
import type { ChannelSettings, NotificationSettings } from '../../config/notifications.ts'
import { readTrusted } from '../../config/tls-files.ts'
import type { Clock } from '../../shared/clock.ts'
import { parseWebhookSecrets, WEBHOOK_SECRET_WORDS } from '../../shared/cryptography/standard-webhooks.ts'
import { GatewayError, messageOf } from '../../shared/errors.ts'
import { Secret } from '../../shared/secret.ts'
import { isKindPattern, kindPatterns } from '../kinds.ts'
import type { Channel } from './channel.ts'
import type { Receiver } from './deliver-by-post.ts'
import { emailChannel } from './email.ts'
import { slackChannel } from './slack.ts'
import { teamsChannel } from './teams.ts'
import { webhookChannel } from './webhook.ts'

/** Throws `CONFIG_INVALID` where a file cannot be read or used, or an event is not known. */
export async function openChannels({ channels }: NotificationSettings, clock: Clock): Promise<Channel[]> {
  return Promise.all(Object.entries(channels).map(([name, settings]) => open(name, settings, clock)))
}

async function open(name: string, settings: ChannelSettings, clock: Clock): Promise<Channel> {
  const at = `notifications.channels.${name}`
  const unknown = settings.events.find(pattern => !isKindPattern(pattern))
  if (unknown !== undefined)
    throw invalid(`${at}.events: there is no ${unknown}. There are *, ${kindPatterns().join(', ')}.`)
  const ca = settings.caFile === undefined ? undefined : await readTrusted(settings.caFile)
  if (settings.kind === 'email') {
    const { passwordFile } = settings
    const secret = passwordFile === undefined ? undefined : new Secret(await lineOf(passwordFile, `${at}.passwordFile`))
    return emailChannel(name, settings, { ca, secret })
  }
  const { allowLocal, timeout: timeoutMs } = settings
  const receiver: Receiver = { name, url: await urlOf(settings, at), ca, allowLocal, timeoutMs }
  switch (settings.kind) {
    case 'webhook': {
      const secrets = parseWebhookSecrets(await textOf(settings.secretFile, `${at}.secretFile`))
      if (secrets === undefined) throw invalid(`${at}.secretFile is not ${WEBHOOK_SECRET_WORDS}.`)
      return webhookChannel(receiver, settings, secrets, clock)
    }
    case 'slack':
      return slackChannel(receiver, settings)
    case 'teams':
      return teamsChannel(receiver, settings)
  }
}

/** What is in a file is never repeated. */
async function urlOf(settings: Exclude<ChannelSettings, { kind: 'email' }>, at: string): Promise<URL> {
  if ('url' in settings && settings.url !== undefined) return new URL(settings.url)
  const url = URL.parse(await lineOf(settings.urlFile!, `${at}.urlFile`))
  const isGood =
    url !== null &&
    url.username === '' &&
    (url.protocol === 'https:' || (url.protocol === 'http:' && settings.allowLocal))
  if (!isGood) throw invalid(`${at}.urlFile does not hold one URL with https and without a user.`)
  return url
}

async function textOf(path: string, key: string): Promise<string> {
  return readFile(path, 'utf8').catch(cause => {
    throw invalid(`${key} cannot be read: ${messageOf(cause)}`, cause)
  })
}

async function lineOf(path: string, key: string): Promise<string> {
  const line = (await textOf(path, key)).trim()
  if (line === '' || /[\r\n]/.test(line)) throw invalid(`${key} is to hold one line.`)
  return line
}

function invalid(message: string, cause?: unknown): GatewayError {
  return new GatewayError('CONFIG_INVALID', message, { cause })
}
