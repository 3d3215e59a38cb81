/** The text of a calendar, from a file or by HTTPS: bounded, and from no address that the gateway must not ask. Errors hold neither its URL nor what was answered. */

import { readFile, stat } from 'node:fs/promises'
import type { CalendarSettings } from '../../config/outside-facts.ts'
import { dialAddress } from '../../connections/dial-address.ts'
import { GatewayError, messageOf } from '../../shared/errors.ts'
import { get, StatusError } from '../../shared/network/http-request.ts'
import { CalendarUnfit } from './occurrences.ts'

const MOST_BYTES = 8 * 1024 * 1024

/** Throws {@link CalendarUnfit}. `ca`: PEM, what the server is checked against. */
export async function fetchCalendar(
  name: string,
  settings: CalendarSettings,
  ca: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const bytes =
    settings.file === undefined ? await ofServer(name, settings, ca, signal) : await ofFile(settings.file, signal)
  return new TextDecoder().decode(bytes)
}

async function ofFile(file: string, signal: AbortSignal): Promise<Buffer> {
  const failed = (error: unknown) => {
    throw new CalendarUnfit(`its file cannot be read: ${(error as { code?: string }).code ?? messageOf(error)}`)
  }
  // A pipe would be waited for.
  const stats = await stat(file).catch(failed)
  if (!stats.isFile()) throw new CalendarUnfit('it is no file')
  if (stats.size > MOST_BYTES) throw tooLong()
  const bytes = await readFile(file, { signal }).catch(failed)
  if (bytes.length > MOST_BYTES) throw tooLong()
  return bytes
}

async function ofServer(
  name: string,
  { url, urlFile, allowLocal, timeout: timeoutMs }: CalendarSettings,
  ca: string | undefined,
  signal: AbortSignal,
): Promise<Buffer> {
  const from = url === undefined ? await urlIn(urlFile!, allowLocal) : new URL(url)
  const dial = (host: string, port: number, given: AbortSignal) => dialAddress({ name, host, port, allowLocal }, given)
  const headers = { accept: 'text/calendar', 'user-agent': 'Sallyport' }
  try {
    return await get({ url: from, headers, ca, timeoutMs, dial, signal, maxAnswerBytes: MOST_BYTES })
  } catch (error) {
    throw new CalendarUnfit(wordsFor(error), { cause: error })
  }
}

async function urlIn(file: string, allowLocal: boolean): Promise<URL> {
  const text = await readFile(file, 'utf8').catch(error => {
    throw new CalendarUnfit(`its urlFile cannot be read: ${(error as { code?: string }).code}`)
  })
  const url = URL.parse(text.trim())
  const isGood =
    url !== null && url.username === '' && (url.protocol === 'https:' || (url.protocol === 'http:' && allowLocal))
  if (!isGood) throw new CalendarUnfit('its urlFile does not hold one URL with https and without a user')
  return url
}

function wordsFor(error: unknown): string {
  if (error instanceof GatewayError && error.code === 'TARGET_ADDRESS_REFUSED')
    return 'its server has an address that is asked with allowLocal: true alone'
  if (error instanceof StatusError) {
    const { status } = error
    return status >= 300 && status < 400
      ? `its server redirects (${status}), which is not followed: name the place itself`
      : `its server answered ${status}`
  }
  const { code, message } = error as { code?: string; message: string }
  if (message.startsWith('no answer within') || message === 'the answer is too long') return `its server: ${message}`
  return `its server could not be reached${code === undefined ? '' : ` (${code})`}`
}

function tooLong(): CalendarUnfit {
  return new CalendarUnfit(`it is longer than ${MOST_BYTES / 1024 / 1024} MiB`)
}
