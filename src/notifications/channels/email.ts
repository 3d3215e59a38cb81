/** Mail by SMTP: plain text, to one address a message. Nothing is sent without TLS where the configuration demands it. */

import type { Duplex } from 'node:stream'
import { type EmailSettings, MAIL_ADDRESS } from '../../config/notifications.ts'
import { dialAddress } from '../../connections/dial-address.ts'
import { JobFailed, JobRefused } from '../../schedule/job.ts'
import type { Channel, ChannelFiles, Message } from './channel.ts'
import { addressRefused, isAddressRefused, networkWords } from './deliver-by-post.ts'

const PORTS = { starttls: 587, implicit: 465, none: 25 } as const

export function emailChannel(name: string, settings: EmailSettings, { ca, secret }: ChannelFiles): Channel {
  const { host, tls, user, from, to, people, events, content, allowLocal, timeout: timeoutMs } = settings
  const { port = PORTS[tls] } = settings
  const options = {
    ...{ host, port, secure: tls === 'implicit', requireTLS: tls === 'starttls', ignoreTLS: tls === 'none' },
    tls: { minVersion: 'TLSv1.2' as const, rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) },
    // Later than ours, which is for all of it.
    ...{ connectionTimeout: 2 * timeoutMs, greetingTimeout: 2 * timeoutMs, socketTimeout: 2 * timeoutMs },
    ...{ socketCloseTimeout: 1000, maxResponseSize: MAX_ANSWER_BYTES, logger: false as const },
    ...{ disableFileAccess: true, disableUrlAccess: true },
  }

  async function sendTo(addresses: readonly string[], message: Message, signal: AbortSignal): Promise<void> {
    let connection: Duplex | undefined
    try {
      connection = await dialAddress({ name, host, port, allowLocal }, signal)
      // Loaded when it is first needed: few need it.
      const { createTransport } = await import('nodemailer')
      // A server that offers no login gets no mail of somebody who has one: it may be another server.
      const login = user === undefined ? {} : { auth: { user, pass: secret!.reveal() }, forceAuth: true }
      const transport = createTransport({ ...options, ...login, connection: connection as never })
      const { rejected } = await transport.sendMail({ ...mailOf(message, from, addresses), signal })
      if (rejected.length > 0)
        throw new JobRefused(`The mail server took it for some addresses, and refused ${rejected.length}.`)
    } finally {
      connection?.destroy()
    }
  }

  return {
    ...{ kind: 'email', name, events, people, own: to.length > 0, needsAddress: true, content, combines: true },
    async send(message, signal) {
      const addresses = message.to === undefined ? to : [message.to.address]
      // A user's comes from a resource file, which may say anything.
      if (!addresses.every(address => MAIL_ADDRESS.test(address)))
        throw new JobRefused('Their e-mail address is not one: it is written as name@example.com.')
      const late = AbortSignal.timeout(timeoutMs)
      await sendTo(addresses, message, AbortSignal.any([signal, late])).catch(error => {
        if (late.aborted) throw new JobFailed(`The mail server did not take it within ${timeoutMs} ms.`)
        throw wordsFor(error)
      })
    },
  }
}

const MAX_ANSWER_BYTES = 64 * 1024

export function mailOf({ id, subject, lines, link, at }: Message, from: string, to: readonly string[]) {
  const more = link === undefined ? [] : ['', link.command, ...(link.url === undefined ? [] : [link.url])]
  const domain = from.slice(from.indexOf('@') + 1)
  return {
    from: { name: 'Sallyport', address: from },
    to: to.map(address => ({ name: '', address })),
    envelope: { from, to: [...to] },
    subject,
    text: [subject, '', ...lines, ...more, ''].join('\n'),
    messageId: `<${id}@${domain}>`,
    date: new Date(at),
    // Nobody's absence is to be told to a program (RFC 3834).
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
    ...{ disableFileAccess: true, disableUrlAccess: true },
  }
}

/** What nodemailer says of an error, https://nodemailer.com/smtp/#error-codes-reference. */
interface SmtpError {
  readonly code?: string
  readonly command?: string
  readonly responseCode?: number
  /** What the server said: it stands in the message, too. */
  readonly response?: string
}

/** By the codes alone, where the server has said something: its words might be anybody's. */
function wordsFor(error: unknown): JobFailed {
  if (error instanceof JobFailed) return error
  if (isAddressRefused(error)) return addressRefused()
  const { code, command = '', responseCode, response } = error as SmtpError
  const at = responseCode === undefined ? '' : ` (${responseCode})`
  if (code === 'EAUTH') return new JobFailed(`The mail server did not take the user and the password${at}.`)
  if (code === 'ETLS' && response !== undefined)
    return new JobFailed(`The mail server offers no TLS${at}, and nothing is sent without it.`)
  if (responseCode !== undefined) {
    const what = /^[A-Z ]{1,20}$/.test(command) ? ` at ${command}` : ''
    const words = `The mail server refused it${what}${at}.`
    return responseCode >= 500 && code === 'EENVELOPE' ? new JobRefused(words) : new JobFailed(words)
  }
  if (response !== undefined) return new JobFailed('The mail server says what no mail server says.')
  return new JobFailed(`The mail server could not be reached: ${networkWords(error)}.`)
}
