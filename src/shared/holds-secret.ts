/** Whether bytes that somebody else wrote hold a secret, in any of the usual codes: for what may be shown only if they do not. */

/** A part that is shorter is in words by chance. */
const PART_BYTES = 8

/** As it is, or in hex, base64, percent-encoding, UTF-16, or the escapes of JSON, HTML and shells, wherever that begins. */
export function holdsSecret(bytes: Buffer, secret: Buffer): boolean {
  return secret.length > 0 && readingsOf(bytes).some(reading => reading.includes(secret))
}

/** The same, or a part of it: what a program prints may be cut off. Any twelve bytes of it are found. */
export function holdsPartOfSecret(bytes: Buffer, secret: Buffer): boolean {
  const readings = readingsOf(bytes)
  const holds = (part: Buffer) => part.length > 0 && readings.some(reading => reading.includes(part))
  for (let at = 0; at + PART_BYTES <= secret.length; at += PART_BYTES / 2) {
    if (holds(secret.subarray(at, at + PART_BYTES))) return true
  }
  return holds(secret)
}

/** All that the bytes could mean. A character of the texts is a byte. */
function readingsOf(bytes: Buffer): Buffer[] {
  const text = bytes.toString('latin1')
  const inOneLine = text.replace(/\s+/g, '')
  const readings = [text, inOneLine, percentDecoded(text), jsonUnescaped(text), htmlUnescaped(text)]
    .concat(shellUnquoted(text))
    .map(reading => Buffer.from(reading, 'latin1'))
  for (const from of [0, 1]) {
    const even = bytes.subarray(from, bytes.length - ((bytes.length - from) % 2))
    readings.push(Buffer.from(even.toString('utf16le')), Buffer.from(Buffer.from(even).swap16().toString('utf16le')))
  }
  for (const coded of new Set([text, inOneLine, jsonUnescaped(text)])) {
    for (const [run] of coded.matchAll(/[0-9a-f]{2,}/gi)) {
      for (const from of [0, 1]) readings.push(Buffer.from(run.slice(from), 'hex'))
    }
    for (const [run] of coded.matchAll(/[\w+/-]{2,}/g)) {
      for (const from of [0, 1, 2, 3]) readings.push(Buffer.from(run.slice(from), 'base64'))
    }
  }
  return readings
}

const utf8 = (characters: string) => Buffer.from(characters).toString('latin1')

function percentDecoded(text: string): string {
  return text
    .replaceAll('+', ' ')
    .replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
}

const JSON_ESCAPES: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

function jsonUnescaped(text: string): string {
  return text
    .replace(/(?:\\u[0-9a-f]{4})+/gi, run =>
      utf8(run.replace(/\\u(....)/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))),
    )
    .replace(/\\x([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/\\([^ux])/gs, (_, letter) => JSON_ESCAPES[letter] ?? letter)
}

const ENTITIES: Record<string, string> = { quot: '"', apos: "'", amp: '&', lt: '<', gt: '>' }

function htmlUnescaped(text: string): string {
  return text.replace(/&(?:(quot|apos|amp|lt|gt)|#(\d{1,6})|#x([0-9a-f]{1,5}));/gi, (whole, name, decimal, hex) => {
    if (name !== undefined) return ENTITIES[name.toLowerCase()]!
    const point = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
    return point <= 0x10ffff ? utf8(String.fromCodePoint(point)) : whole
  })
}

/** 'it'\''s', it\'s and "it's"; SQL's doubled quotes. */
function shellUnquoted(text: string): string[] {
  return [text.replace(/'\\''|'"'"'/g, "'"), text.replace(/\\(.)/gs, '$1'), text.replaceAll("''", "'")]
}
