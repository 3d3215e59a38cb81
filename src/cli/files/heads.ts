/** Heads of the audit log, as the gateway sent them out: read from files, checked, and held against the log. */

import { createPublicKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { checkHead, HEAD_TYPE, type HeadTimeStamp, parseHeadLine } from '../../audit/heads/head.ts'
import { messageOf } from '../../shared/errors.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { CliError } from '../exit.ts'
import { linesOfFile } from './lines.ts'

export interface NotedHead {
  readonly seq: number
  readonly hash: string
  /** When it was sent out, or stamped by the authority. */
  readonly at: number
}

export interface HeadFiles {
  /** Heads whose signature holds, and those of time stamps that were checked. */
  readonly heads: readonly NotedHead[]
  /** `FILE:LINE: …` */
  readonly problems: readonly string[]
  readonly notes: readonly string[]
}

/** `authority`: a file of certificates that the time stamps must lead to; not given: they are counted and not used. */
export async function readHeads(
  files: readonly string[],
  publicKeyPem: string,
  authority: string | undefined,
): Promise<HeadFiles> {
  const publicKey = createPublicKey(publicKeyPem)
  const trusted = authority === undefined ? undefined : await readAuthority(authority)
  const heads: NotedHead[] = []
  const problems: string[] = []
  const notes: string[] = []
  let unchecked = 0
  let stamped = 0
  for (const file of files) {
    for await (const { text, number, whole } of linesOfFile(file)) {
      if (text.trim() === '') continue
      const place = `${file}:${number}`
      const line = parseHeadLine(text)
      if (line === undefined) {
        if (whole) problems.push(`${place}: it is not a head of the audit log`)
        else notes.push(`${place}: an unfinished last line, left by a crash; it is not counted`)
      } else if (line.type === HEAD_TYPE) {
        const wrong = checkHead(line, publicKey)
        if (wrong === undefined) heads.push(line)
        else problems.push(`${place}: ${wrong}`)
      } else if (trusted === undefined) unchecked++
      else {
        const found = await checkStamp(line, trusted)
        if (typeof found === 'string')
          problems.push(`${place}: the time stamp of head ${line.seq} does not hold: ${found}`)
        else {
          heads.push({ seq: line.seq, hash: line.hash, at: found.getTime() })
          stamped++
        }
      }
    }
  }
  if (stamped > 0) notes.push(`${stamped} time stamps of the authority hold`)
  if (unchecked > 0)
    notes.push(`${unchecked} time stamps were not checked: name the authority's certificates with --tsa-ca FILE`)
  if (heads.length === 0 && problems.length === 0) problems.push(`${files.join(', ')}: there is no head in it`)
  return { heads, problems, notes }
}

/** What a log that ends with `end` cannot be, given these heads; `hashOf` gives its events' hashes. */
export function compareHeads(
  heads: readonly NotedHead[],
  end: number,
  hashOf: (seq: number) => string | undefined,
): string[] {
  const problems: string[] = []
  const last = heads.reduce<NotedHead | undefined>(
    (most, head) => (head.seq > (most?.seq ?? 0) ? head : most),
    undefined,
  )
  if (last !== undefined && last.seq > end) problems.push(cutOff(end, last))
  const wrong = heads.filter(({ seq, hash }) => seq <= end && hashOf(seq) !== undefined && hashOf(seq) !== hash)
  const first = wrong.toSorted((a, b) => a.seq - b.seq)[0]
  if (first !== undefined) {
    const more = wrong.length > 1 ? ` (and ${wrong.length - 1} more)` : ''
    problems.push(
      `event ${first.seq} is not the one whose head was sent out at ${timeOf(first)}: the log was written anew from before it on${more}`,
    )
  }
  return problems
}

export function cutOff(end: number, head: NotedHead): string {
  return `the log ends at ${end}, but head ${head.seq} was sent out at ${timeOf(head)}: its end was cut off`
}

function timeOf({ at }: NotedHead): string {
  return new Date(at).toISOString()
}

async function checkStamp({ hash, token }: HeadTimeStamp, trusted: string): Promise<Date | string> {
  const { verifyTimeStamp } = await import('../../audit/heads/time-stamp.ts')
  try {
    return verifyTimeStamp(Buffer.from(token, 'base64'), { hash: Buffer.from(hash, 'hex'), trusted }).time
  } catch (error) {
    return messageOf(error)
  }
}

async function readAuthority(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(error => {
    throw new CliError(EXIT.usage, `--tsa-ca: ${path} cannot be read: ${messageOf(error)}.`)
  })
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text
  throw new CliError(EXIT.usage, `--tsa-ca: ${path} has no certificate in PEM form.`)
}
