/** The connections of one worker as its gateway knows them: where each comes from, its slot, and what may still come of it. */

import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import type { AcceptedConnection, AcquireSlot } from '../../connections/accepted-connection.ts'
import type { ConnectionSlot, NoSlot } from '../../connections/connection-limits.ts'
import type { Source } from '../../identity/proof.ts'
import type { ProtocolName } from '../../protocols/registered.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { FromWorker } from './messages.ts'
import type { WorkerChannel } from './worker-channel.ts'

/** Until a worker has taken a connection: then it is cut. */
const HAND_OVER_MS = 5000
/** What came of a connection may be told a moment after it is gone: so many of those that left are remembered. */
const MOST_LEFT = 4096
/** So much may be refused of one connection, and of what was asked for inside it, before no more is taken down. */
const MOST_REPORTS = 256
/** As long as the cookie that a side of SSH puts into its first message (RFC 4253 §7.1). */
const NONCE_BYTES = 16

/** A connection that a login may come of, or that was refused. */
export interface LoginConnection {
  /** The peer of the socket; behind a balancer what the worker has read of it. */
  readonly source: Source
  /** It stands in what a key signs to log in on this connection, and on no other. */
  readonly nonce: Buffer
}

interface Connection {
  source: Source
  readonly nonce: Buffer
  slot?: ConnectionSlot
  /** While its source is not known yet. */
  acquire?: AcquireSlot
  /** Until the worker has said that it has it. */
  onItsWay?: { readonly socket: Socket; readonly patience: NodeJS.Timeout } | undefined
  /** A login was asked for, and let in. */
  asked: boolean
  admitted: boolean
  reports: number
}

export class WorkerConnections {
  readonly #channel: WorkerChannel
  readonly #open = new Map<number, Connection>()
  /** Also of those that left lately. */
  readonly #byAddress = new Map<string, Set<Connection>>()
  readonly #left = new Set<Connection>()
  #numbers = 0

  constructor(channel: WorkerChannel) {
    this.#channel = channel
  }

  /** How many there are. */
  get size(): number {
    return this.#open.size
  }

  take(protocol: ProtocolName, { socket, source: { address, port }, slot, onEvict }: AcceptedConnection): void {
    const number = ++this.#numbers
    const source = { address, port }
    const nonce = randomBytes(NONCE_BYTES)
    const connection: Connection = { source, nonce, asked: false, admitted: false, reports: 0 }
    this.#open.set(number, connection)
    this.#note(connection)
    const how = noteSlot(connection, slot)
    onEvict(() => this.#channel.send({ kind: 'cut', connection: number }))
    // It stays open here until the worker has it: what is lost on the way would be open for ever.
    connection.onItsWay = { socket, patience: setTimeout(() => this.#leave(number), HAND_OVER_MS) }
    this.#channel.send({ kind: 'connection', connection: number, protocol, source, nonce, ...how }, socket, error => {
      if (error !== null) this.#leave(number)
    })
  }

  hear(message: Extract<FromWorker, { connection: number }>): void {
    const connection = this.#open.get(message.connection)
    switch (message.kind) {
      case 'entered':
        if (connection === undefined) this.#channel.send({ kind: 'cut', connection: message.connection })
        else this.#arrived(connection)
        break
      case 'authenticated':
        // Who has logged in is for the gateway to say: their address is known from then on.
        if (connection?.admitted) connection.slot?.authenticated()
        break
      case 'inner-released':
        connection?.slot?.releaseInner()
        break
      case 'reached':
        connection?.slot?.reached(message.stage)
        break
      case 'blamed':
        connection?.slot?.blame(message.fault)
        break
      case 'disconnected':
        this.#leave(message.connection)
    }
  }

  /** Once, for a connection whose PROXY header the worker has read. Resolves with why there is no slot. */
  async acquireSlot(number: number, source: Source): Promise<NoSlot | undefined> {
    const connection = this.#open.get(number)
    const acquire = connection?.acquire
    if (connection === undefined || acquire === undefined)
      throw new GatewayError('FORBIDDEN', 'The source of this connection is known.')
    delete connection.acquire
    this.#forget(connection)
    connection.source = source
    this.#note(connection)
    const slot = await acquire(source)
    if ('full' in slot) return slot
    // It may have left while it waited.
    if (this.#open.has(number)) connection.slot = slot
    else slot.release()
    return undefined
  }

  /** Of a balancer's own connections none has a slot. */
  async acquireInnerSlot(number: number): Promise<NoSlot | undefined> {
    return this.#open.get(number)?.slot?.acquireInner()
  }

  /** The connection from there, for the one login that may come of it; undefined where there is none, or it has had its login. */
  forLogin({ address, port }: Source): (LoginConnection & { admitted(): void }) | undefined {
    const from = [...(this.#byAddress.get(address) ?? [])].filter(one => one.source.port === port && !one.asked)
    // One that left may have left the port to another.
    const connection = from.find(one => !this.#left.has(one)) ?? from.at(-1)
    if (connection === undefined) return undefined
    connection.asked = true
    const { source, nonce } = connection
    const admitted = () => {
      connection.admitted = true
    }
    return { source, nonce, admitted }
  }

  /** Whether something may be refused of a connection from there: there is one, or was a moment ago, and not too much was. */
  mayReport(address: string): boolean {
    for (const connection of this.#byAddress.get(address) ?? []) {
      if (connection.reports >= MOST_REPORTS) continue
      connection.reports++
      return true
    }
    return false
  }

  /** The worker is gone, and they with it. */
  close(): void {
    for (const number of [...this.#open.keys()]) this.#leave(number)
    this.#byAddress.clear()
    this.#left.clear()
  }

  /** The worker has it, or never will: what is open of it here is closed. */
  #arrived(connection: Connection): void {
    clearTimeout(connection.onItsWay?.patience)
    if (this.#channel.copiesSockets) connection.onItsWay?.socket.destroy()
    connection.onItsWay = undefined
  }

  #leave(number: number): void {
    const connection = this.#open.get(number)
    if (connection === undefined) return
    this.#open.delete(number)
    this.#arrived(connection)
    connection.slot?.release()
    delete connection.slot
    delete connection.acquire
    this.#left.add(connection)
    for (const oldest of this.#left) {
      if (this.#left.size <= MOST_LEFT) break
      this.#left.delete(oldest)
      this.#forget(oldest)
    }
  }

  #note(connection: Connection): void {
    const { address } = connection.source
    const there = this.#byAddress.get(address) ?? new Set()
    this.#byAddress.set(address, there.add(connection))
  }

  #forget(connection: Connection): void {
    const { address } = connection.source
    const there = this.#byAddress.get(address)
    there?.delete(connection)
    if (there?.size === 0) this.#byAddress.delete(address)
  }
}

function noteSlot(
  connection: Connection,
  slot: AcceptedConnection['slot'],
): { refused: NoSlot } | { balanced: true } | undefined {
  if (typeof slot === 'function') {
    connection.acquire = slot
    return { balanced: true }
  }
  if ('full' in slot) return { refused: slot }
  connection.slot = slot
  return undefined
}
