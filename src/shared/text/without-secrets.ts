/** What somebody else said, as a person may read it: one bounded line, nothing that steers a terminal, and none of the secrets that they were given. */

import { printable } from './printable.ts'

const LEFT_OUT = '[a line with a secret]'
/** So much of a secret gives it away. */
const TELLING = 8

/**
 * The last lines of `text`, joined by `; `, in at most so many characters. A line that holds one of the secrets, or eight characters of
 * one, is left out: as it is, backwards, quoted or escaped by a shell or in JSON, in base64, hex (also with colons) or as in a URL.
 */
export function withoutSecrets(text: string, secrets: readonly Uint8Array[], most = 300): string {
  const forms = secrets.flatMap(formsOf)
  const lines = text
    .split(/[\r\n]+/)
    .map(line => (holds(line, forms) ? LEFT_OUT : printable(line).trim()))
    .filter(line => line !== '')
  const shown = lines.join('; ')
  // One that stands in two lines.
  if (holds(lines.join(''), forms)) return LEFT_OUT
  return shown.length <= most ? shown : `…${shown.slice(1 - most)}`
}

function holds(text: string, forms: readonly string[]): boolean {
  const bare = bareText(text)
  return forms.some(form => bare.includes(form))
}

/** Each in pieces that give it away. */
function formsOf(secret: Uint8Array): string[] {
  const bytes = Buffer.from(secret.buffer, secret.byteOffset, secret.byteLength)
  const text = bytes.toString('utf8')
  const base64 = [0, 1, 2].map(offset => {
    const shifted = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    // The first and the last character depend on what stands around.
    return shifted.slice(offset === 0 ? 0 : offset + 1, -1)
  })
  const backwards = [...text].reverse().join('')
  const escaped = text.split('').map(unit => `u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return [text, backwards, escaped.join(''), ...base64, bytes.toString('hex'), encodeUrl(text)]
    .map(bareText)
    .flatMap(pieces)
}

function encodeUrl(text: string): string {
  return [...Buffer.from(text)]
    .map(byte =>
      /\w/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, '0')}`,
    )
    .join('')
}

function pieces(form: string): string[] {
  if (form.length <= TELLING) return form === '' ? [] : [form]
  return Array.from({ length: form.length - TELLING + 1 }, (_, at) => form.slice(at, at + TELLING))
}

/** Without all that a terminal, a shell or JSON may put between or before characters. */
function bareText(text: string): string {
  return text
    .replace(/[\p{C}\p{Z}\\'":]/gu, '')
    .replaceAll('-', '+')
    .replaceAll('_', '/')
    .toLowerCase()
}
