/** Whether a text has a piece in common with a secret: as it is or backwards, in any case, with anything between its characters, or in a code of letters and digits. */

import type { Secret } from '../secret.ts'

/** What two of them have in common by chance is shorter. */
const PIECE = 6
/** Two of these, of different parts of a secret. */
const HALF = 4
/** Of a code. */
const CODED_PIECE = 8
/** Of a shorter one, its characters are looked for as they stand. */
const LEAST = 4
/** Everybody says it, also where it is part of a password. */
const EVERYDAY = new Set(grams('password', PIECE))
/** Of that, either way, and of one letter over and over. */
const EVERYDAY_STEPS = new Set([...steps('password'), ...steps('drowssap'), 'a'.repeat(PIECE - 1)])
/** An encoded key is between lines of words. */
const KEY_FILE = /PRIVATE KEY|^PuTTY-User-Key-File/m
const LONG_RUN = /[A-Za-z0-9+/=]{32,}/g
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'

/** Also where it cannot be told any more, because one was erased. */
export function mayShareSecret(text: string, secrets: readonly Secret[]): boolean {
  if (text === '' || secrets.length === 0) return false
  const said = readingOf(text)
  return secrets.some(secret => secret.isErased || shares(said, secret.revealBytes()))
}

interface Reading {
  readonly exact: string
  readonly bare: string
  readonly pieces: ReadonlySet<string>
  readonly halves: ReadonlySet<string>
  readonly coded: ReadonlySet<string>
  readonly shifted: ReadonlySet<string>
}

function readingOf(text: string): Reading {
  const bare = bareText(text)
  return {
    exact: text.toLowerCase().replace(/\s/g, ''),
    bare,
    pieces: new Set(grams(bare, PIECE)),
    halves: new Set(grams(bare, HALF)),
    coded: new Set(grams(bare, CODED_PIECE)),
    shifted: new Set(steps(bare)),
  }
}

function shares(said: Reading, bytes: Buffer): boolean {
  if (bytes.length === 0) return false
  const text = bytes.toString('utf8')
  const texts = KEY_FILE.test(text) ? [...text.matchAll(LONG_RUN)].map(([run]) => run) : [text]
  return texts.some(each => sharesText(said, each)) || sharesCode(said, bytes)
}

function sharesText(said: Reading, text: string): boolean {
  const forwards = bareText(text)
  if (forwards.length < LEAST) {
    const exact = text.toLowerCase().replace(/\s/g, '')
    return exact !== '' && [exact, backwards(exact)].some(form => said.exact.includes(form))
  }
  if (forwards.length < PIECE) return [forwards, backwards(forwards)].some(form => said.bare.includes(form))
  return [forwards, backwards(forwards)].some(
    form =>
      grams(form, PIECE).some(piece => said.pieces.has(piece) && !EVERYDAY.has(piece)) ||
      hasTwoHalves(said, form) ||
      steps(form).some(step => said.shifted.has(step) && !EVERYDAY_STEPS.has(step)),
  )
}

/** Cut into parts, with words between them. */
function hasTwoHalves({ halves }: Reading, form: string): boolean {
  let found = 0
  for (let at = 0; at + HALF <= form.length; at++) {
    const half = form.slice(at, at + HALF)
    if (!halves.has(half) || 'password'.includes(half)) continue
    if (++found === 2) return true
    at += HALF - 1
  }
  return false
}

function sharesCode({ coded }: Reading, bytes: Buffer): boolean {
  return codesOf(bytes).some(code =>
    [code, backwards(code)].some(form => grams(form, CODED_PIECE).some(piece => coded.has(piece))),
  )
}

function codesOf(bytes: Buffer): string[] {
  const behind = (count: number) => Buffer.concat([Buffer.alloc(count), bytes])
  const base64 = [0, 1, 2].map(count =>
    bareText(
      behind(count)
        .toString('base64')
        .slice(count && count + 1),
    ),
  )
  const base32 = [0, 1, 2, 3, 4].map(count => base32Of(behind(count)).slice(count && Math.ceil((count * 8) / 5)))
  const numbers = [8, 10].map(radix => [...bytes].map(byte => byte.toString(radix)).join(''))
  const octal = [...bytes].map(byte => byte.toString(8).padStart(3, '0')).join('')
  return [bytes.toString('hex'), ...base64, ...base32, ...numbers, octal]
}

/** RFC 4648 §6, in small letters and without padding. */
function base32Of(bytes: Buffer): string {
  let [text, value, bits] = ['', 0, 0]
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff
    for (bits += 8; bits >= 5; bits -= 5) text += BASE32[(value >> (bits - 5)) & 31]
  }
  return bits === 0 ? text : text + BASE32[(value << (5 - bits)) & 31]
}

/** Letters and digits alone, none with a mark, all small. */
function bareText(text: string): string {
  return text
    .normalize('NFKD')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[^\p{L}\p{N}]/gu, '')
}

function backwards(text: string): string {
  return [...text].reverse().join('')
}

function grams(text: string, length: number): string[] {
  return Array.from({ length: Math.max(0, text.length - length + 1) }, (_, at) => text.slice(at, at + length))
}

/** From one letter to the next, as far as it is around the alphabet: the same however far all are shifted. */
function steps(bare: string): string[] {
  const letters = [...bare.replace(/[^a-z]/g, '')].map(letter => letter.charCodeAt(0))
  const differences = letters
    .slice(1)
    .map((letter, at) => String.fromCharCode(97 + ((letter - letters[at]! + 26) % 26)))
  return grams(differences.join(''), PIECE - 1)
}
