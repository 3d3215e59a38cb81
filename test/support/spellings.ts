/** Ways to write a secret, in use or not, by which it must not get out in somebody else's words. */

import { gzipSync } from 'node:zlib'
import { base32 } from './secret-forms.ts'

const bytesOf = (text: string) => [...Buffer.from(text)]
const each = (text: string, write: (byte: number) => string, between = '') => bytesOf(text).map(write).join(between)
const hexOf = (byte: number) => byte.toString(16).padStart(2, '0')
const inGroups = (text: string, length: number, between: string) =>
  (text.match(new RegExp(`.{1,${length}}`, 'gsu')) ?? []).join(between)
const shifted = (text: string, by: number) =>
  text.replace(/[a-z]/gi, letter => {
    const first = letter < 'a' ? 65 : 97
    return String.fromCharCode(first + ((letter.charCodeAt(0) - first + by) % 26))
  })

export const SPELLINGS: Record<string, (secret: string) => string> = {
  plain: text => text,
  backwards: text => [...text].reverse().join(''),
  'in capitals': text => text.toUpperCase(),
  'in small letters': text => text.toLowerCase(),
  'in the other case': text =>
    text.replace(/\p{L}/gu, letter => (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase())),
  'shifted by 13': text => shifted(text, 13),
  'shifted by 3': text => shifted(text, 3),
  hex: text => Buffer.from(text).toString('hex'),
  'hex in capitals': text => Buffer.from(text).toString('hex').toUpperCase(),
  'hex with colons': text => each(text, hexOf, ':'),
  'hex with blanks': text => each(text, hexOf, ' '),
  'hex with 0x': text => each(text, byte => `0x${hexOf(byte)}`, ', '),
  'hex in pairs': text => inGroups(Buffer.from(text).toString('hex'), 4, ' '),
  'a dump': text => inGroups(each(text, hexOf, ' '), 24, '\n0000010 '),
  octal: text => each(text, byte => byte.toString(8).padStart(3, '0'), ' '),
  'octal escapes': text => each(text, byte => `\\${byte.toString(8).padStart(3, '0')}`),
  decimal: text => each(text, String, ' '),
  'decimal, with commas': text => each(text, String, ', '),
  binary: text => each(text, byte => byte.toString(2).padStart(8, '0'), ' '),
  base32: text => base32(Buffer.from(text)),
  'base32 in groups': text => inGroups(base32(Buffer.from(text)), 4, ' '),
  'base32 in small groups': text => inGroups(base32(Buffer.from(text)).toLowerCase(), 4, '-'),
  base64: text => Buffer.from(text).toString('base64'),
  'base64 behind one byte': text => Buffer.from(`x${text}`).toString('base64'),
  'base64 behind two bytes': text => Buffer.from(`xy${text}`).toString('base64'),
  'base64 in lines': text => inGroups(Buffer.from(text).toString('base64'), 5, '\n'),
  'base64 in groups': text => inGroups(Buffer.from(text).toString('base64'), 4, ' '),
  'base64 backwards': text => [...Buffer.from(text).toString('base64')].reverse().join(''),
  base64url: text => Buffer.from(text).toString('base64url'),
  'base64 of base64': text => Buffer.from(Buffer.from(text).toString('base64')).toString('base64'),
  'base64 of gzip': text => gzipSync(text).toString('base64'),
  '\\x escapes': text => each(text, byte => `\\x${hexOf(byte)}`),
  '\\u escapes': text => text.replace(/./gs, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  JSON: text => JSON.stringify(text),
  'JSON of JSON': text => JSON.stringify(JSON.stringify(text)),
  'percent signs': text => each(text, byte => `%${hexOf(byte)}`),
  'some percent signs': text => text.replace(/(.)(.)/gsu, (_, one, two) => `%${each(one, hexOf, '%')}${two}`),
  URL: encodeURIComponent,
  'quoted-printable': text => each(text, byte => `=${hexOf(byte).toUpperCase()}`),
  'quoted-printable in part': text => text.replace(/(.)(.)/gsu, (_, one, two) => `=${each(one, hexOf, '=')}${two}`),
  'HTML entities': text => [...text].map(character => `&#${character.codePointAt(0)};`).join(''),
  'HTML entities in hex': text => [...text].map(character => `&#x${character.codePointAt(0)!.toString(16)};`).join(''),
  'UTF-16LE': text => Buffer.from(text, 'utf16le').toString('utf8'),
  'UTF-16BE': text => Buffer.from(text, 'utf16le').swap16().toString('utf8'),
  'full width': text => text.replace(/[!-~]/g, one => String.fromCharCode(one.charCodeAt(0) + 0xfee0)),
  'with marks': text => [...text].join('\u0301'),
  'with zero width between': text => [...text].join('\u200b'),
  'with blanks between': text => [...text].join(' '),
  'with dots between': text => [...text].join('.'),
  'with line ends between': text => [...text].join('\n'),
  'in two lines': text => `${text.slice(0, text.length >> 1)}\n${text.slice(text.length >> 1)}`,
  'in three lines, numbered': text => inGroups(text, Math.ceil(text.length / 3), '\n2: '),
  'a shell’s word': text => `'${text.replaceAll("'", "'\\''")}'`,
  'every character quoted': text => text.replace(/./gsu, '\\$&'),
  SQL: text => `'${text.replaceAll("'", "''")}'`,
  'between escapes': text => [...text].join('\x1b[0m'),
}
