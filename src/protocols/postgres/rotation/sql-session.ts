/** Asks a server a few short questions by the simple query protocol, on a connection that was logged in; every answer is bounded. */

import { erasableBytes, type Secret } from '../../../shared/secret.ts'
import { SocketReader } from '../../relaying/socket-reader.ts'
import { MESSAGE_LIMIT_BYTES } from '../target-side/dial.ts'
import { TargetRefusal } from '../target-side/target-refusal.ts'
import type { PostgresUpstream } from '../target-side/upstream.ts'
import { BodyReader } from '../wire/message-body.ts'
import { violation } from '../wire/violation.ts'

/** Notices, parameters and rows in one answer: a hostile server must not keep us for ever. */
const MOST_MESSAGES = 1000

export type Answer =
  | {
      readonly kind: 'done'
      readonly row: readonly (string | null)[]
      readonly tag: string
      readonly inTransaction: boolean
    }
  /** The server said no, and is ready for the next question. */
  | { readonly kind: 'refused'; readonly refusal: TargetRefusal }
  /** The connection ended before the answer did: with these words, where the server said any. */
  | { readonly kind: 'cut'; readonly refusal: TargetRefusal | undefined }

export interface SqlSession {
  /** The row is the last one. What is not the protocol cuts the connection. Never throws; one question at a time. */
  ask(sql: string | Buffer): Promise<Answer>
  close(): void
}

/** `signal` cuts it. `secrets` are what the server may know, and its words must not hold. */
export function openSqlSession(
  upstream: PostgresUpstream,
  secrets: readonly Secret[],
  signal: AbortSignal,
): SqlSession {
  const { socket, early, startup } = upstream
  const read = (body: Buffer) => new TargetRefusal(body).keeping(secrets, startup.sentInClear)
  const cut = () => socket.destroy()
  signal.addEventListener('abort', cut, { once: true })
  if (signal.aborted) cut()
  if (early.length > 0 && !socket.destroyed) socket.unshift(early)
  const reader = new SocketReader(socket, MESSAGE_LIMIT_BYTES, violation)
  socket.resume()
  return {
    async ask(sql) {
      send(socket, sql)
      return readAnswer(reader, read).catch(() => {
        cut()
        return { kind: 'cut', refusal: undefined }
      })
    },
    close() {
      signal.removeEventListener('abort', cut)
      reader.detach()
      upstream.close()
    },
  }
}

/** The message is overwritten once the socket has it: it may hold what a login could be made of. */
function send(socket: PostgresUpstream['socket'], sql: string | Buffer): void {
  const text = typeof sql === 'string' ? Buffer.from(sql) : sql
  const message = erasableBytes(6 + text.length)
  message[0] = 0x51
  message.writeUInt32BE(5 + text.length, 1)
  message.set(text, 5)
  if (socket.writable) socket.write(message, () => message.fill(0))
}

async function readAnswer(reader: SocketReader, read: (body: Buffer) => TargetRefusal): Promise<Answer> {
  let row: (string | null)[] = []
  let tag = ''
  let refusal: TargetRefusal | undefined
  for (let count = 0; count < MOST_MESSAGES; count++) {
    const message = await reader.message()
    if (message === undefined) return { kind: 'cut', refusal }
    const { type, body } = message
    switch (type) {
      case 'D':
        row = readRow(body)
        break
      case 'C':
        tag = new BodyReader(body).cstring()
        break
      case 'E':
        refusal = read(body)
        break
      case 'Z':
        if (refusal !== undefined) return { kind: 'refused', refusal }
        return { kind: 'done', row, tag, inTransaction: body.toString('latin1') === 'T' }
      case 'T':
      case 'I':
      case 'N':
      case 'S':
      case 'A':
        break
      default:
        throw violation('the server answers out of turn')
    }
  }
  throw violation('the server does not come to the end of its answer')
}

/** A DataRow's values, which a simple query has as text. */
function readRow(body: Buffer): (string | null)[] {
  const reader = new BodyReader(body)
  return Array.from({ length: reader.uint16() }, () => {
    const length = reader.int32()
    return length === -1 ? null : reader.bytes(length).toString('utf8')
  })
}
