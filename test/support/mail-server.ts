/** A real SMTP server on loopback (`smtp-server`) that keeps the mail it takes. */

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'

export interface ReceivedMail {
  readonly from: string
  readonly to: readonly string[]
  /** As it came: header and body. */
  readonly text: string
  readonly secure: boolean
  /** Who logged in. */
  readonly user: string | undefined
}

export interface MailServer {
  readonly port: number
  readonly received: readonly ReceivedMail[]
  /** Resolves when so many have come. */
  until(count: number): Promise<readonly ReceivedMail[]>
  close(): Promise<void>
}

export async function startMailServer(options: SMTPServerOptions): Promise<MailServer> {
  const received: ReceivedMail[] = []
  let changed = Promise.withResolvers<void>()
  const server = new SMTPServer({
    ...{ logger: false, disableReverseLookup: true, authOptional: true },
    onAuth: ({ username, password }, _session, done) =>
      password === 'right' ? done(null, { user: username }) : done(new Error('the password is wrong')),
    onData(stream, session, done) {
      let text = ''
      stream.setEncoding('utf8').on('data', chunk => (text += chunk))
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope
        const from = mailFrom === false ? '' : mailFrom.address
        const user = typeof session.user === 'string' ? session.user : undefined
        received.push({ from, to: rcptTo.map(({ address }) => address), text, secure: session.secure, user })
        changed.resolve()
        changed = Promise.withResolvers()
        done()
      })
    },
    ...options,
  })
  // A client that leaves in the middle is its own affair.
  server.on('error', () => undefined)
  const listener = server.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return {
    port: (listener.address() as AddressInfo).port,
    received,
    async until(count) {
      while (received.length < count) await changed.promise
      return received
    },
    close: () => new Promise(resolve => server.close(() => resolve())),
  }
}
