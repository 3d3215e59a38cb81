/**
 * A signed list of sessions, as `audit export` writes it and `session verify --against` reads it: what should lie in the folder of
 * recordings, said by the audit log.
 *
 * Lines of JSON: a header, sessions, and an end whose Ed25519 signature covers `sallyport session list 1` and a NUL, SHA-256 of all bytes
 * before the last line, and the last line's JSON without its signature. A session may have several lines: what a later one says adds to it.
 */

import { createHash, createPublicKey, verify } from 'node:crypto'
import { z } from 'zod'
import { type Signer, signingKeyId } from '../shared/cryptography/signer.ts'

const CONTEXT = Buffer.from('sallyport session list 1\0', 'latin1')

const time = z.number().int()
const hash = z.string().regex(/^[0-9a-f]{64}$/)
const count = z.number().int().nonnegative()

const headerSchema = z.object({
  type: z.literal('sallyport-session-list'),
  version: z.literal(1),
  madeAt: time,
  since: time.nullable(),
  until: time.nullable(),
  /** SHA-256 of the public key (SPKI, DER), hex, as in recordings. */
  key: z.string(),
  /** The gateway that made it: recordings of the same one have the same clock. */
  gateway: z.string(),
  /** The hash of the first event of this installation's audit log. */
  installation: hash,
  /** The first event that was read. */
  firstEvent: count,
})
export type ListHeader = z.output<typeof headerSchema>

const sealSchema = z.object({ file: z.string(), hash, bytes: count })
export type NotedSeal = z.output<typeof sealSchema>

const sessionSchema = z.object({
  type: z.literal('session'),
  session: z.string(),
  user: z.string().nullable(),
  account: z.string().nullable(),
  /** When it began, and whether its recording was opened. Null where that is not in the part of the log that was read. */
  startedAt: time.nullable(),
  recorded: z.boolean(),
  /** Null: it was open at the end of the list. */
  endedAt: time.nullable(),
  reason: z.string().nullable(),
  /** The seals that the log notes, in its order: one, or none (it is not recorded or not sealed yet). More are a fault. */
  seals: z.array(sealSchema),
})
export type ListedSession = Omit<z.output<typeof sessionSchema>, 'type'>

const endSchema = z.object({
  type: z.literal('end'),
  lines: count,
  /** The last event that was read: a head of the chain. */
  head: z.object({ seq: count, hash: z.string(), at: time.nullable() }),
  sha256: hash,
  signature: z.string(),
})
export type ListEnd = z.output<typeof endSchema>

/** Builds the lines and their signature; every method gives a line with its end. */
export class ListWriter {
  readonly #hash = createHash('sha256')
  readonly #signer: Signer
  #lines = 0

  constructor(signer: Signer) {
    this.#signer = signer
  }

  header(header: Omit<ListHeader, 'type' | 'version' | 'key'>): string {
    const key = signingKeyId(this.#signer.publicKeyPem)
    return this.#line({ type: 'sallyport-session-list', version: 1, ...header, key })
  }

  session(session: ListedSession): string {
    this.#lines++
    return this.#line({ type: 'session', ...session })
  }

  end(head: ListEnd['head']): string {
    const sha256 = this.#hash.digest('hex')
    const content = endContent({ lines: this.#lines, head, sha256 })
    const signature = this.#signer.sign(signedBytes(content)).toString('base64url')
    return `${JSON.stringify({ ...JSON.parse(content), signature })}\n`
  }

  #line(value: object): string {
    const line = `${JSON.stringify(value)}\n`
    this.#hash.update(line)
    return line
  }
}

export interface SessionList {
  readonly header: ListHeader
  readonly head: ListEnd['head']
  readonly sessions: ReadonlyMap<string, ListedSession>
}

/** Reads a list whose signature holds; or says why it cannot be used, and what to do next. Nothing of a list that is refused may be used. */
export async function readSessionList(
  lines: AsyncIterable<{ readonly text: string; readonly whole: boolean }>,
  publicKeyPem: string,
): Promise<{ list: SessionList } | { why: string; next: string }> {
  const digest = createHash('sha256')
  const sessions = new Map<string, ListedSession>()
  let header: ListHeader | undefined
  let end: ListEnd | undefined
  let count = 0
  for await (const { text: line, whole } of lines) {
    if (!whole) return altered('it was cut: its last line has no end')
    if (end !== undefined) return altered('there are lines behind its end')
    const parsed = parseJson(line)
    if (header === undefined) {
      const { success, data } = headerSchema.safeParse(parsed)
      if (!success)
        return { why: 'it is not a list of sessions (of version 1)', next: 'Make one with `sallyport audit export`.' }
      header = data
    } else if ((parsed as { type?: unknown } | undefined)?.type === 'end') {
      const { success, data } = endSchema.safeParse(parsed)
      if (!success) return altered('its last line cannot be read')
      end = data
      continue
    } else {
      const { success, data } = sessionSchema.safeParse(parsed)
      if (!success) return altered(`line ${count + 2} is not a session`)
      count++
      add(sessions, data)
    }
    digest.update(`${line}\n`)
  }
  if (header === undefined) return { why: 'it is empty', next: 'Make one with `sallyport audit export`.' }
  if (end === undefined) return altered('it was cut: its signed end is missing')
  const id = signingKeyId(publicKeyPem)
  if (header.key !== id) {
    return {
      why: `it was signed with another key (${header.key}, the key given is ${id})`,
      next: 'It is the list of another installation, or --key names the wrong file.',
    }
  }
  const content = endContent(end)
  const signature = Buffer.from(end.signature, 'base64url')
  if (!verify(null, signedBytes(content), createPublicKey(publicKeyPem), signature)) {
    return altered('the signature at its end is wrong')
  }
  if (end.lines !== count) return altered(`${end.lines} lines were signed, and it has ${count}`)
  if (end.sha256 !== digest.digest('hex')) return altered('its lines are not those that were signed')
  return { list: { header, head: end.head, sessions } }
}

function add(sessions: Map<string, ListedSession>, { type: _, ...more }: z.output<typeof sessionSchema>): void {
  const known = sessions.get(more.session)
  if (known === undefined) return void sessions.set(more.session, more)
  const seals = [...known.seals]
  for (const seal of more.seals) if (!seals.some(({ hash }) => hash === seal.hash)) seals.push(seal)
  sessions.set(more.session, {
    session: more.session,
    user: known.user ?? more.user,
    account: known.account ?? more.account,
    startedAt: known.startedAt ?? more.startedAt,
    recorded: known.recorded || more.recorded,
    endedAt: known.endedAt ?? more.endedAt,
    reason: known.reason ?? more.reason,
    seals,
  })
}

function altered(how: string): { why: string; next: string } {
  return {
    why: `it was altered: ${how}`,
    next: 'Make a new one with `sallyport audit export`, and keep it where nobody can write.',
  }
}

/** The end's JSON without its signature, in the order in which it is signed. */
function endContent({ lines, head, sha256 }: Omit<ListEnd, 'type' | 'signature'>): string {
  return JSON.stringify({ type: 'end', lines, head: { seq: head.seq, hash: head.hash, at: head.at }, sha256 })
}

function signedBytes(content: string): Buffer {
  // `content` has the SHA-256 of everything before it.
  return Buffer.concat([CONTEXT, Buffer.from(content, 'utf8')])
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
