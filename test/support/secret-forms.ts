/** In which forms a secret may lie in bytes that must not hold it; and a search for them. */

/** With the characters at the ends left out of base64 where they depend on what is beside it. */
export function secretForms(secret: string): Map<string, Buffer> {
  const bytes = Buffer.from(secret)
  const forms = new Map<string, Buffer>([
    ['plain', bytes],
    ['hex', Buffer.from(bytes.toString('hex'))],
    ['HEX', Buffer.from(bytes.toString('hex').toUpperCase())],
    ['URL', Buffer.from(encodeURIComponent(secret))],
    ['JSON', Buffer.from(JSON.stringify(secret).slice(1, -1))],
    ['SQL', Buffer.from(secret.replaceAll("'", "''"))],
    ['UTF-16LE', Buffer.from(secret, 'utf16le')],
    ['UTF-16BE', Buffer.from(secret, 'utf16le').swap16()],
  ])
  for (const offset of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    const sure = text.slice(offset === 0 ? 0 : offset + 1, (offset + bytes.length) % 3 === 0 ? undefined : -1)
    forms.set(`base64 at ${offset}`, Buffer.from(sure))
  }
  return forms
}

/** The forms in which the bytes hold it, case of hex aside. */
export function formsIn(bytes: Buffer, secret: string): string[] {
  return [...secretForms(secret)].filter(([, form]) => bytes.includes(form)).map(([name]) => name)
}
