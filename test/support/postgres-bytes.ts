/** PostgreSQL messages by name, as a client or a server would send them, for tests that spell the bytes. */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export const cstring = (text: string): Buffer => Buffer.from(`${text}\0`)

export function int32(value: number): Buffer {
  const out = Buffer.alloc(4)
  out.writeInt32BE(value)
  return out
}

export function int16(value: number): Buffer {
  const out = Buffer.alloc(2)
  out.writeInt16BE(value)
  return out
}

/** A message with a type byte. */
export function frame(type: string, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from(type), int32(4 + body.length), body])
}

/** A packet without one: length, code, body. */
export function packet(code: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([int32(8 + body.length), int32(code), body])
}

export const sslRequest = packet(80877103)
export const gssencRequest = packet(80877104)

export function startup(parameters: Record<string, string>, version = 196608): Buffer {
  const texts = Object.entries(parameters).flatMap(([name, value]) => [cstring(name), cstring(value)])
  return packet(version, ...texts, Buffer.alloc(1))
}

export const query = (text: string) => frame('Q', cstring(text))
export const parse = (name: string, text: string, types: number[] = []) =>
  frame('P', cstring(name), cstring(text), int16(types.length), ...types.map(int32))
export const bind = (portal: string, statement: string, values: (string | Buffer | null)[] = []) =>
  frame(
    'B',
    cstring(portal),
    cstring(statement),
    int16(values.length),
    ...values.map(value => int16(Buffer.isBuffer(value) ? 1 : 0)),
    int16(values.length),
    ...values.flatMap(value =>
      value === null ? [int32(-1)] : [int32(Buffer.byteLength(value)), Buffer.from(value as string)],
    ),
    int16(0),
  )
export const execute = (portal: string, rows = 0) => frame('E', cstring(portal), int32(rows))
export const describePortal = (portal: string) => frame('D', Buffer.from('P'), cstring(portal))
export const closeStatement = (name: string) => frame('C', Buffer.from('S'), cstring(name))
export const sync = frame('S')

// what a server answers
export const parseComplete = frame('1')
export const bindComplete = frame('2')
export const closeComplete = frame('3')
export const row = frame('D', int16(0))
export const complete = (tag: string) => frame('C', cstring(tag))
export const ready = frame('Z', Buffer.from('I'))
export const error = (sqlstate: string, message: string, severity = 'ERROR') =>
  frame('E', ...[`S${severity}`, `V${severity}`, `C${sqlstate}`, `M${message}`].map(cstring), Buffer.alloc(1))

/** A raw client: collects what comes, and waits for patterns in it. */
export class RawClient {
  readonly socket: Socket
  #received = Buffer.alloc(0)

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', chunk => {
      this.#received = Buffer.concat([this.#received, chunk])
    })
    socket.on('error', () => undefined)
  }

  static async to(port: number): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new RawClient(socket)
  }

  get text(): string {
    return this.#received.toString('latin1')
  }

  get bytes(): Buffer {
    return this.#received
  }

  /** Resolves once the received bytes contain it; rejects when the connection ends before. */
  async sees(pattern: string | RegExp): Promise<void> {
    const matches = () => (typeof pattern === 'string' ? this.text.includes(pattern) : pattern.test(this.text))
    while (!matches()) {
      if (this.socket.readableEnded || this.socket.destroyed) {
        throw new Error(`the connection ended before ${pattern}: ${JSON.stringify(this.text)}`)
      }
      await Promise.race([once(this.socket, 'data'), once(this.socket, 'close')])
    }
  }

  async closed(): Promise<void> {
    if (!this.socket.closed) await once(this.socket, 'close')
  }
}
