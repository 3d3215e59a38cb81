/** POSTs a message to a receiver: to no local address unless that is allowed, and not where it is redirected to. */

import { dialAddress } from '../../connections/dial-address.ts'
import { JobFailed, JobRefused } from '../../schedule/job.ts'
import { GatewayError, messageOf } from '../../shared/errors.ts'
import { post, StatusError } from '../../shared/network/http-request.ts'
import { printable } from '../../shared/text/printable.ts'

export interface Receiver {
  readonly name: string
  readonly url: URL
  readonly ca: string | undefined
  readonly allowLocal: boolean
  readonly timeoutMs: number
}

/** Nobody reads it: a receiver says by its status whether it has it. */
const MAX_ANSWER_BYTES = 64 * 1024

export async function deliverByPost(
  { name, url, ca, allowLocal, timeoutMs }: Receiver,
  body: Buffer,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const dial = (host: string, port: number, signal: AbortSignal) =>
    dialAddress({ name, host, port, allowLocal }, signal)
  await post({ url, headers, body, ca, timeoutMs, dial, signal, maxAnswerBytes: MAX_ANSWER_BYTES }).catch(failed)
}

/** Says what went wrong in the receiver's stead; nothing that it answered. */
function failed(error: unknown): never {
  if (isAddressRefused(error)) throw addressRefused()
  if (error instanceof StatusError) {
    const { status, retryAfterMs } = error
    if (status >= 300 && status < 400)
      throw new JobRefused(`The receiver redirects (${status}), which is not followed: name the place itself.`)
    if (status === 410) throw new JobRefused('The receiver is gone (410).')
    throw new JobFailed(`The receiver answered ${status}.`, { retryAfterMs })
  }
  throw new JobFailed(`The receiver could not be reached: ${networkWords(error)}.`)
}

const MOST_WORDS = 200

export function isAddressRefused(error: unknown): boolean {
  return error instanceof GatewayError && error.code === 'TARGET_ADDRESS_REFUSED'
}

export function addressRefused(): JobRefused {
  return new JobRefused(
    "Its address is one of the gateway's own, of its network segment, or one where a cloud gives out credentials. Where that is meant, the channel needs allowLocal: true.",
  )
}

/** What the network or TLS says, and never the other side: of a certificate for other names, the names would be its words. */
export function networkWords(error: unknown): string {
  const { code, originalCode = code } = error as { code?: string; originalCode?: string }
  if (originalCode === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'its certificate is for another name'
  return printable(messageOf(error)).slice(0, MOST_WORDS)
}
