/** Reads text in the encoding that the session's client uses (`client_encoding`), for the recording: as the server itself converts it. */

import { isAscii, isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Description {
  /** What Node's TextDecoder calls it, or one that is nearly it; character-tables/ has what it reads otherwise than PostgreSQL. */
  readonly label?: string
  /** How many bytes a character has that begins with a byte beyond ASCII, as the server counts them (src/common/wchar.c). */
  readonly width?: number | ((first: number, second: number) => number)
  /** A later byte of a character may be that of an ASCII character. */
  readonly overlaps?: true
}

const SS2 = 0x8e
const SS3 = 0x8f
const eucWidth = (first: number): number => (first === SS3 ? 3 : 2)
const shiftJisWidth = (first: number): number => (first >= 0xa1 && first <= 0xdf ? 1 : 2)

/** Every encoding that a client can have, by PostgreSQL's names, but UTF8, SQL_ASCII, LATIN1 and MULE_INTERNAL. */
export const ENCODINGS: Readonly<Record<string, Description>> = {
  LATIN2: { label: 'iso-8859-2' },
  LATIN3: { label: 'iso-8859-3' },
  LATIN4: { label: 'iso-8859-4' },
  LATIN5: { label: 'windows-1254' },
  LATIN6: { label: 'iso-8859-10' },
  LATIN7: { label: 'iso-8859-13' },
  LATIN8: { label: 'iso-8859-14' },
  LATIN9: { label: 'iso-8859-15' },
  LATIN10: { label: 'iso-8859-2' },
  ISO_8859_5: { label: 'iso-8859-5' },
  ISO_8859_6: { label: 'iso-8859-6' },
  ISO_8859_7: { label: 'iso-8859-7' },
  ISO_8859_8: { label: 'iso-8859-8' },
  KOI8R: { label: 'koi8-r' },
  KOI8U: { label: 'koi8-u' },
  WIN866: { label: 'ibm866' },
  WIN874: { label: 'windows-874' },
  WIN1250: { label: 'windows-1250' },
  WIN1251: { label: 'windows-1251' },
  WIN1252: { label: 'windows-1252' },
  WIN1253: { label: 'windows-1253' },
  WIN1254: { label: 'windows-1254' },
  WIN1255: { label: 'windows-1255' },
  WIN1256: { label: 'windows-1256' },
  WIN1257: { label: 'windows-1257' },
  WIN1258: { label: 'windows-1258' },
  EUC_CN: { label: 'gbk', width: 2 },
  EUC_JP: { label: 'euc-jp', width: eucWidth },
  EUC_JIS_2004: { width: eucWidth },
  EUC_KR: { label: 'euc-kr', width: eucWidth },
  EUC_TW: { width: first => (first === SS2 ? 4 : eucWidth(first)) },
  // Its second bytes may be those of ASCII; PostgreSQL takes only those that are not.
  JOHAB: { width: eucWidth, overlaps: true },
  SJIS: { label: 'shift_jis', width: shiftJisWidth, overlaps: true },
  SHIFT_JIS_2004: { width: shiftJisWidth, overlaps: true },
  BIG5: { label: 'big5', width: 2, overlaps: true },
  GBK: { label: 'gbk', width: 2, overlaps: true },
  UHC: { label: 'euc-kr', width: 2, overlaps: true },
  GB18030: { label: 'gb18030', width: (_, second) => (second >= 0x30 && second <= 0x39 ? 4 : 2), overlaps: true },
}

/** Names by which servers and poolers may call them too: without case, and without what is no letter or digit. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  unicode: 'UTF8',
  windows932: 'SJIS',
  win932: 'SJIS',
  shiftjis: 'SJIS',
  mskanji: 'SJIS',
  windows936: 'GBK',
  win936: 'GBK',
  windows949: 'UHC',
  win949: 'UHC',
  windows950: 'BIG5',
  win950: 'BIG5',
  iso88591: 'LATIN1',
  iso88592: 'LATIN2',
  iso88593: 'LATIN3',
  iso88594: 'LATIN4',
  iso88599: 'LATIN5',
  iso885910: 'LATIN6',
  iso885913: 'LATIN7',
  iso885914: 'LATIN8',
  iso885915: 'LATIN9',
  iso885916: 'LATIN10',
  koi8: 'KOI8R',
  win: 'WIN1251',
  alt: 'WIN866',
  abc: 'WIN1258',
  tcvn: 'WIN1258',
  tcvn5712: 'WIN1258',
  vscii: 'WIN1258',
}
const plain = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '')
const NAMES = new Map([
  ...['UTF8', 'SQL_ASCII', 'LATIN1', ...Object.keys(ENCODINGS)].map(name => [plain(name), name] as const),
  ...Object.entries(OTHER_NAMES),
])

/** A text; `exact`: these are the characters. Where they cannot be told, each byte stands as one character (Latin-1): nothing is lost. */
export interface DecodedText {
  readonly text: string
  readonly exact: boolean
}

export interface ClientEncoding {
  /** PostgreSQL's name. */
  readonly name: string
  /** Whether a byte of an ASCII character may be a part of another one. */
  readonly overlaps: boolean
  decode(bytes: Buffer): DecodedText
}

/** For a value or a message: what is no text in the encoding is told as hex. */
export function showText(bytes: Buffer, encoding: ClientEncoding): string {
  const { text, exact } = encoding.decode(bytes)
  return exact ? text : `(no text in ${encoding.name}: \\x${bytes.toString('hex')})`
}

const LONGEST_CHARACTER = 4

/** The same for the head of a longer text, which may end inside of a character: that is left out. */
export function wholeCharacters(bytes: Buffer, encoding: ClientEncoding): Buffer {
  for (let less = 0; less < LONGEST_CHARACTER && less < bytes.length; less++) {
    const whole = bytes.subarray(0, bytes.length - less)
    if (encoding.decode(whole).exact) return whole
  }
  return bytes
}

/** With their tables, which are read once. */
const opened = new Map<string, ClientEncoding>()

/** `reported`: the server's word, UTF8 where it gave none. */
export function clientEncodingOf(reported = 'UTF8'): ClientEncoding {
  const name = NAMES.get(plain(reported)) ?? NAMES.get(plain(reported).replace(/^windows/, 'win'))
  if (name === undefined) return encoding(reported, true, () => undefined)
  const known = opened.get(name) ?? open(name)
  opened.set(name, known)
  return known
}

function open(name: string): ClientEncoding {
  if (name === 'UTF8') return UTF8
  // The server converts nothing, and its own encoding is mostly UTF-8.
  if (name === 'SQL_ASCII') return { ...UTF8, name }
  if (name === 'LATIN1') return encoding(name, false, bytes => bytes.toString('latin1'))
  const described = ENCODINGS[name]!
  const read = described.width === undefined ? readSingleBytes(name, described) : readCharacters(name, described)
  return encoding(name, described.overlaps === true, read)
}

/** Undefined where something in it is no character. */
type Read = (bytes: Buffer) => string | undefined

function encoding(name: string, overlaps: boolean, read: Read): ClientEncoding {
  return {
    name,
    overlaps,
    decode(bytes) {
      if (isAscii(bytes)) return { text: bytes.toString('latin1'), exact: true }
      const text = read(bytes)
      return text === undefined ? { text: bytes.toString('latin1'), exact: false } : { text, exact: true }
    },
  }
}

const UTF8: ClientEncoding = {
  name: 'UTF8',
  overlaps: false,
  decode(bytes) {
    const text = bytes.toString('utf8')
    if (!text.includes(REPLACEMENT) || isUtf8(bytes)) return { text, exact: true }
    return { text: bytes.toString('latin1'), exact: false }
  },
}

const REPLACEMENT = '\ufffd'

function readSingleBytes(name: string, { label }: Description): Read {
  const decoder = new TextDecoder(label)
  const table = readTable(name)
  const characters = Array.from({ length: 128 }, (_, i) => table.get(i + 128) ?? decoder.decode(Buffer.from([i + 128])))
  return bytes => {
    const text = bytes.toString('latin1').replace(/[\x80-\xff]/g, byte => characters[byte.charCodeAt(0) - 128]!)
    return text.includes(REPLACEMENT) ? undefined : text
  }
}

function readCharacters(name: string, { label, width }: Description): Read {
  const decoder = label === undefined ? undefined : new TextDecoder(label, { ignoreBOM: true })
  const known = readTable(name)
  const widthOf = typeof width === 'function' ? width : () => width!
  const characterAt = (bytes: Buffer, at: number, length: number): string => {
    const code = bytes.readUIntBE(at, length)
    let character = known.get(code)
    if (character === undefined) {
      character = decoder?.decode(bytes.subarray(at, at + length)) ?? REPLACEMENT
      if (length === 2) known.set(code, character)
    }
    return character
  }
  return bytes => {
    let text = ''
    let at = 0
    while (at < bytes.length) {
      const begin = at
      while (at < bytes.length && bytes[at]! < 0x80) at++
      text += bytes.toString('latin1', begin, at)
      if (at === bytes.length) break
      const length = widthOf(bytes[at]!, bytes[at + 1] ?? 0)
      if (at + length > bytes.length) return undefined
      const character = characterAt(bytes, at, length)
      if (character.includes(REPLACEMENT)) return undefined
      text += character
      at += length
    }
    return text
  }
}

/** Lines of `code character…` (hex; the characters of this and the following codes) or `code+characters` (several for one code). */
function readTable(name: string): Map<number, string> {
  const table = new Map<number, string>()
  const file = join(import.meta.dirname, 'character-tables', `${name}.txt`)
  for (const line of readIfThere(file).split('\n')) {
    const mark = line.search(/[ +]/)
    if (mark === -1) continue
    let code = Number.parseInt(line.slice(0, mark), 16)
    if (line[mark] === '+') table.set(code, line.slice(mark + 1))
    else for (const character of line.slice(mark + 1)) table.set(code++, character)
  }
  return table
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
