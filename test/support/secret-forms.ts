/** In which forms a secret may lie in bytes that must not hold it; and a search for them. */

/** A key, or what was computed from a secret: bytes that no text has. */
export function bytesForms(bytes: Buffer): Map<string, Buffer> {
  const hex = bytes.toString('hex')
  const each = (write: (byte: number) => string, between = '') => Buffer.from([...bytes].map(write).join(between))
  const hexOf = (byte: number) => byte.toString(16).padStart(2, '0')
  const octalOf = (byte: number) => byte.toString(8).padStart(3, '0')
  const forms = new Map([
    ['plain', bytes],
    ['backwards', Buffer.from(bytes).reverse()],
    ['hex', Buffer.from(hex)],
    ['HEX', Buffer.from(hex.toUpperCase())],
    ['hex with colons', each(hexOf, ':')],
    ['hex with blanks', each(hexOf, ' ')],
    ['octal', each(octalOf, ' ')],
    ['\\x', each(byte => `\\x${hexOf(byte)}`)],
    ['percent signs', each(byte => `%${hexOf(byte)}`)],
    ['quoted-printable', each(byte => `=${hexOf(byte).toUpperCase()}`)],
    ['decimal', each(String, ' ')],
    ['base32', Buffer.from(base32(bytes))],
  ])
  for (const offset of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    // The characters at the ends depend on what is beside it.
    const sure = text.slice(offset === 0 ? 0 : offset + 1, (offset + bytes.length) % 3 === 0 ? undefined : -1)
    const url = sure.replaceAll('+', '-').replaceAll('/', '_')
    forms.set(`base64 at ${offset}`, Buffer.from(sure))
    if (url !== sure) forms.set(`base64url at ${offset}`, Buffer.from(url))
  }
  return forms
}

/** A password, or another secret that is text. */
export function secretForms(secret: string): Map<string, Buffer> {
  return new Map([
    ...bytesForms(Buffer.from(secret)),
    ['URL', Buffer.from(encodeURIComponent(secret))],
    ['JSON', Buffer.from(JSON.stringify(secret).slice(1, -1))],
    ['SQL', Buffer.from(secret.replaceAll("'", "''"))],
    ['HTML', Buffer.from([...secret].map(character => `&#${character.codePointAt(0)};`).join(''))],
    ['backwards, by characters', Buffer.from([...secret].reverse().join(''))],
    ['in capitals', Buffer.from(secret.toUpperCase())],
    ['in small letters', Buffer.from(secret.toLowerCase())],
    ['UTF-16LE', Buffer.from(secret, 'utf16le')],
    ['UTF-16BE', Buffer.from(secret, 'utf16le').swap16()],
  ])
}

/** The forms in which the bytes hold it. */
export function formsIn(bytes: Buffer, secret: string): string[] {
  return [...secretForms(secret)].filter(([, form]) => bytes.includes(form)).map(([name]) => name)
}

/** RFC 4648 §6, without padding. */
export function base32(bytes: Buffer): string {
  const bits = [...bytes].map(byte => byte.toString(2).padStart(8, '0')).join('')
  const groups = bits.match(/.{1,5}/g) ?? []
  return groups.map(group => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(group.padEnd(5, '0'), 2)]).join('')
}
