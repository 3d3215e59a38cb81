/** The text of an authorized_keys file, read as sshd reads it (sshd(8), AUTHORIZED_KEYS FILE FORMAT) and changed line by line: all others stay, byte for byte. */

import { WireError, WireReader } from '../../../shared/ssh-encoding/wire.ts'

/** One line, with what ends it. A character stands for a byte. */
interface Line {
  readonly text: string
  /** What stands before the key, without the space behind; undefined where there is no key in the line. */
  readonly options?: string
  readonly blob?: Buffer
  readonly comment?: string
}

export interface NewKey {
  readonly blob: Buffer
  readonly comment: string
  /** The key whose options it gets: before its line it is put. Undefined: a line with the same comment, where there is one. */
  readonly like: Buffer | undefined
}

/** Whether somebody can log in with the key by this file. */
export function holdsKey(file: Buffer, blob: Buffer): boolean {
  return linesOf(file).some(line => isFor(line, blob))
}

/** The same file where the key is in it already. */
export function withKey(file: Buffer, { blob, comment, like }: NewKey): Buffer {
  if (holdsKey(file, blob)) return file
  const lines = linesOf(file)
  const at = lines.findIndex(line =>
    like === undefined ? line.comment === comment && !isAuthority(line) : isFor(line, like),
  )
  const options = lines[at]?.options ?? ''
  const key = `${new WireReader(blob).utf8()} ${blob.toString('base64')}`
  const text = `${options === '' ? '' : `${options} `}${key}${comment === '' ? '' : ` ${comment}`}`
  const texts = lines.map(line => line.text)
  const ending = texts.some(line => line.endsWith('\r\n')) ? '\r\n' : '\n'
  if (at >= 0) {
    texts.splice(at, 0, `${text}${ending}`)
  } else {
    const last = texts.at(-1)
    texts.push(...(last === undefined || last.endsWith('\n') ? [] : [ending]), `${text}${ending}`)
  }
  return Buffer.from(texts.join(''), 'latin1')
}

/** Without every line of the key. */
export function withoutKey(file: Buffer, blob: Buffer): Buffer {
  const kept = linesOf(file).filter(line => !isFor(line, blob))
  return Buffer.from(kept.map(({ text }) => text).join(''), 'latin1')
}

function isFor(line: Line, asked: Buffer): boolean {
  return line.blob?.equals(asked) === true && !isAuthority(line)
}

/** An authority's key lets in what it has signed, not who has it. */
function isAuthority({ options = '' }: Line): boolean {
  return splitOptions(options).includes('cert-authority')
}

function linesOf(file: Buffer): Line[] {
  return file
    .toString('latin1')
    .split(/(?<=\n)/)
    .filter(text => text !== '')
    .map(text => ({ text, ...keyIn(text) }))
}

function keyIn(line: string): Omit<Line, 'text'> | undefined {
  const text = line.replace(/\r?\n$/, '').replace(/^[ \t]+/, '')
  if (text === '' || text.startsWith('#')) return undefined
  const first = keyAt(text)
  if (first !== undefined) return { options: '', ...first }
  const options = text.slice(0, endOfOptions(text))
  const key = keyAt(text.slice(options.length).replace(/^[ \t]+/, ''))
  return key === undefined ? undefined : { options, ...key }
}

/** The first blank that no quotes stand around. */
function endOfOptions(text: string): number {
  let quoted = false
  let at = 0
  for (; at < text.length && (quoted || !/[ \t]/.test(text[at]!)); at++) {
    if (text[at] === '\\' && text[at + 1] === '"') at++
    else if (text[at] === '"') quoted = !quoted
  }
  return at
}

function splitOptions(options: string): string[] {
  const names: string[] = []
  for (let rest = options; rest !== ''; ) {
    let quoted = false
    let at = 0
    for (; at < rest.length && (quoted || rest[at] !== ','); at++) {
      if (rest[at] === '\\' && rest[at + 1] === '"') at++
      else if (rest[at] === '"') quoted = !quoted
    }
    names.push(rest.slice(0, at).toLowerCase())
    rest = rest.slice(at + 1)
  }
  return names
}

/** `ssh-ed25519 AAAA… comment`, where the type is that of the blob. */
function keyAt(text: string): { blob: Buffer; comment: string } | undefined {
  const [whole = '', type, base64] = /^([a-z0-9@.-]+)[ \t]+([A-Za-z0-9+/]+={0,2})(?:[ \t\r]+|$)/.exec(text) ?? []
  if (type === undefined || base64 === undefined) return undefined
  const blob = Buffer.from(base64, 'base64')
  try {
    return new WireReader(blob).utf8() === type ? { blob, comment: text.slice(whole.length) } : undefined
  } catch (error) {
    if (error instanceof WireError) return undefined
    throw error
  }
}
