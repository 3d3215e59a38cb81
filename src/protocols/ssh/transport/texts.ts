/** Makes texts of the gateway, and of others, safe for a person's terminal. */

/** Takes out everything that could move a cursor, change a colour or turn the text round, and what is not seen; but not line ends. */
export function plain(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu, character => (character === '\n' ? '\n' : '?'))
}

/** Plain text with the line ends that a raw terminal needs. */
export function terminalLines(text: string): string {
  return `${plain(text).replace(/\n+$/, '').replaceAll('\n', '\r\n')}\r\n`
}

/** Names and commands as they are recorded: bytes that are no UTF-8 stand as `\xNN`, so that two names do not read alike. */
export function recordedText(bytes: Buffer): string {
  const text = bytes.toString('utf8')
  if (!text.includes('\ufffd')) return text
  let recorded = ''
  for (let at = 0; at < bytes.length; ) {
    const sequence = bytes.subarray(at, at + lengthOfCharacter(bytes[at]!))
    const character = sequence.toString('utf8')
    const valid = Buffer.from(character).equals(sequence)
    recorded += valid ? character : `\\x${bytes.toString('hex', at, at + 1)}`
    at += valid ? sequence.length : 1
  }
  return recorded
}

/** By its first byte (RFC 3629 §3). */
function lengthOfCharacter(first: number): number {
  return first < 0xe0 ? (first < 0xc0 ? 1 : 2) : first < 0xf0 ? 3 : 4
}
