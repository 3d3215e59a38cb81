/** Where heads of the audit chain are sent: a file elsewhere, an HTTP receiver, a time-stamp authority. */

import { open } from 'node:fs/promises'
import { type WebhookSecrets, webhookHeaders } from '../../shared/cryptography/standard-webhooks.ts'
import { post } from '../../shared/network/http-request.ts'
import { type HeadTimeStamp, type SentHead, TIME_STAMP_TYPE } from './head.ts'

export interface HeadDestination {
  /** For metrics, the log and the audit log. */
  readonly name: 'file' | 'http' | 'time-stamp'
  /** Resolves when the head is safe there. Rejects with what is to be said in the log; the head then comes again. */
  send(head: SentHead): Promise<void>
}

/** Appends a line, and waits until the disk has it. The file is opened each time: what is mounted there may change. */
export function headFile(path: string): HeadDestination {
  return { name: 'file', send: head => appendLine(path, head) }
}

/** POSTs the head, signed by HMAC as Standard Webhooks has it where there is a secret. */
export function headReceiver(options: {
  readonly url: URL
  readonly secret: WebhookSecrets | undefined
  readonly ca: string | undefined
  readonly timeoutMs: number
  readonly now: () => number
}): HeadDestination {
  const { url, secret, ca, timeoutMs, now } = options
  return {
    name: 'http',
    async send(head) {
      const body = Buffer.from(JSON.stringify(head), 'utf8')
      const headers = webhookHeaders(`head_${head.gateway}_${head.seq}`, body, now(), secret)
      await post({ url, headers, body, timeoutMs, ca })
    },
  }
}

/** Asks for an RFC 3161 token over the head's hash, checks it, and appends it to the file of heads. */
export function headTimeStamps(options: {
  readonly url: URL
  readonly file: string
  /** PEM: where the certificate of the authority must lead to. */
  readonly trusted: string
  readonly timeoutMs: number
}): HeadDestination {
  const { url, file, trusted, timeoutMs } = options
  return {
    name: 'time-stamp',
    async send({ seq, hash }) {
      // Loaded when it is first needed: it is large, and few have an authority.
      const { encodeTimeStampRequest, tokenOfResponse, verifyTimeStamp } = await import('./time-stamp.ts')
      const bytes = Buffer.from(hash, 'hex')
      const { request, nonce } = encodeTimeStampRequest(bytes)
      const headers = { 'content-type': 'application/timestamp-query', accept: 'application/timestamp-reply' }
      const token = tokenOfResponse(await post({ url, headers, body: request, timeoutMs }))
      verifyTimeStamp(token, { hash: bytes, nonce, trusted })
      const line: HeadTimeStamp = { type: TIME_STAMP_TYPE, version: 1, seq, hash, token: token.toString('base64') }
      await appendLine(file, line)
    },
  }
}

async function appendLine(path: string, value: object): Promise<void> {
  const handle = await open(path, 'a+', 0o600)
  try {
    const { size } = await handle.stat()
    const last = Buffer.alloc(1)
    if (size > 0) await handle.read(last, 0, 1, size - 1)
    // A line that a crash tore stays, and harms no other.
    const begin = size > 0 && last[0] !== 0x0a ? '\n' : ''
    await handle.appendFile(`${begin}${JSON.stringify(value)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
