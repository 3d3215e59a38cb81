/** A connection to a host that we are logged in to as a hop: has it connect to other addresses for us, and nothing else. */

import { GatewayError } from '../../../shared/errors.ts'
import { message, string, uint32, WireError, WireReader } from '../../../shared/ssh-encoding/wire.ts'
import type { SshUpstream } from '../target-side/upstream.ts'
import { DISCONNECT, MESSAGE, OPEN_FAILURE } from '../transport/messages.ts'
import { plain } from '../transport/texts.ts'
import { RELAY_WAITING_BYTES, type Transport, type TransportListener } from '../transport/transport.ts'
import { ForwardedStream, type HopLine, MAX_PACKET, WINDOW } from './forwarded-stream.ts'

const CONNECT_MS = 15_000
/** So much may be on its way to the hop before its channels wait. */
const MUCH_BYTES = 1024 * 1024
/** A hop that takes less in one message than this wants to keep us busy. */
const SMALLEST_PACKET = 256
/** Said to the hop as where the connection comes from: nothing of the user is. */
const ORIGINATOR = [string('127.0.0.1'), uint32(65535)]
const REASON = ['', 'administratively prohibited', 'connect failed', 'unknown channel type', 'resource shortage']

interface Opening {
  resolve(stream: ForwardedStream): void
  reject(error: Error): void
}

export class HopConnection implements TransportListener, HopLine {
  readonly #transport: Transport
  readonly #opening = new Map<number, Opening>()
  readonly #open = new Map<number, ForwardedStream>()
  #next = 0
  #over: Error | undefined

  constructor(upstream: SshUpstream) {
    const { transport } = upstream
    this.#transport = transport
    transport.mostWaiting = RELAY_WAITING_BYTES
    transport.onKeyExchange = () => this.#sendMore()
    transport.socket.on('drain', () => this.#sendMore())
    if (transport.over) this.ended(undefined)
    else upstream.handOver(this)
    transport.socket.resume()
  }

  get hasRoom(): boolean {
    return !this.#transport.exchangingKeys && this.#transport.pendingBytes < MUCH_BYTES
  }

  /** Has the hop connect to an address. Throws `TARGET_UNREACHABLE` with the hop's reason where it does not. */
  async connectTo(host: string, port: number, signal: AbortSignal): Promise<ForwardedStream> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)])
    deadline.throwIfAborted()
    if (this.#over !== undefined) throw this.#over
    const id = this.#next++
    const opened = Promise.withResolvers<ForwardedStream>()
    this.#opening.set(id, opened)
    this.send(
      message(
        MESSAGE.CHANNEL_OPEN,
        ...[string('direct-tcpip'), uint32(id), uint32(WINDOW), uint32(MAX_PACKET)],
        ...[string(host), uint32(port), ...ORIGINATOR],
      ),
    )
    const giveUp = () => opened.reject(deadline.reason)
    deadline.addEventListener('abort', giveUp, { once: true })
    try {
      return await opened.promise
    } finally {
      deadline.removeEventListener('abort', giveUp)
      // What the hop still opens then is closed when it comes.
      if (deadline.aborted && this.#opening.has(id)) {
        this.#opening.set(id, {
          resolve: stream => stream.destroy(),
          reject: () => undefined,
        })
      }
    }
  }

  close(): void {
    this.#transport.disconnect(DISCONNECT.BY_APPLICATION, 'the session is over')
  }

  send(payload: Buffer): void {
    this.#transport.send(payload)
  }

  closed(id: number): void {
    this.#open.delete(id)
  }

  message(type: number, payload: Buffer): void {
    const fields = new WireReader(payload, 1)
    switch (type) {
      case MESSAGE.GLOBAL_REQUEST:
        fields.string()
        if (fields.boolean()) this.send(message(MESSAGE.REQUEST_FAILURE))
        return
      case MESSAGE.CHANNEL_OPEN: {
        // Nothing was asked for that a hop could open channels for.
        fields.string()
        const answer = [uint32(fields.uint32()), uint32(OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED)]
        this.send(message(MESSAGE.CHANNEL_OPEN_FAILURE, ...answer, string(''), string('')))
        return
      }
      case MESSAGE.CHANNEL_OPEN_CONFIRMATION:
        this.#confirmed(fields)
        return
      case MESSAGE.CHANNEL_OPEN_FAILURE:
        this.#failed(fields)
        return
      case MESSAGE.CHANNEL_DATA:
        this.#stream(fields).received(fields.string())
        return
      case MESSAGE.CHANNEL_WINDOW_ADJUST:
        this.#stream(fields).adjusted(fields.uint32())
        return
      case MESSAGE.CHANNEL_EOF:
        this.#stream(fields).peerEnded()
        return
      case MESSAGE.CHANNEL_CLOSE:
        this.#stream(fields).peerClosed()
        return
      case MESSAGE.CHANNEL_REQUEST: {
        const stream = this.#stream(fields)
        fields.string()
        // None is known on a channel of bytes; but the answer shows that we are there (ClientAliveInterval).
        if (fields.boolean()) stream.refuseRequest()
        return
      }
      default:
        this.#transport.unimplemented()
    }
  }

  ended(error: Error | undefined): void {
    const why = error ?? new Error('the hop closed the connection')
    this.#over = why
    for (const opening of this.#opening.values()) opening.reject(why)
    this.#opening.clear()
    for (const stream of this.#open.values()) stream.lost(why)
    this.#open.clear()
  }

  #confirmed(fields: WireReader): void {
    const opening = this.#take(fields.uint32())
    const [peer, room, mostBytes] = [fields.uint32(), fields.uint32(), fields.uint32()]
    if (mostBytes < SMALLEST_PACKET) throw new WireError('a packet size that no data fits in')
    const stream = new ForwardedStream(this, opening.id, peer, room, mostBytes)
    // Whoever takes it sees its end by `close`.
    stream.on('error', () => undefined)
    this.#open.set(stream.id, stream)
    opening.resolve(stream)
  }

  #failed(fields: WireReader): void {
    const opening = this.#take(fields.uint32())
    const reason = REASON[fields.uint32()] ?? 'for no known reason'
    const words = plain(fields.utf8()).slice(0, 120)
    opening.reject(
      new GatewayError(
        'TARGET_UNREACHABLE',
        `The hop does not connect: ${reason}${words === '' ? '' : ` (${words})`}.`,
      ),
    )
  }

  #take(id: number): Opening & { id: number } {
    const opening = this.#opening.get(id)
    if (opening === undefined) throw new WireError('an answer to an open that was not asked for')
    this.#opening.delete(id)
    return { id, resolve: opening.resolve, reject: opening.reject }
  }

  #stream(fields: WireReader): ForwardedStream {
    const stream = this.#open.get(fields.uint32())
    if (stream === undefined) throw new WireError('a message for a channel that is not open')
    return stream
  }

  #sendMore(): void {
    for (const stream of this.#open.values()) stream.sendMore()
  }
}
