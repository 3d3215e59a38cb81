/** One SSH transport over one socket, or over a channel of another connection (RFC 4253): identification strings, key exchange, packets in and out, rekeying, graceful and abrupt close. */

import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../../../shared/clock.ts'
import { messageOf } from '../../../shared/errors.ts'
import { message, string, uint32 } from '../../../shared/ssh-encoding/wire.ts'
import { readIntoOneBuffer } from '../../relaying/read-into-one-buffer.ts'
import { CIPHERS, KEY_EXCHANGES, MACS, USER_SIGNATURE_ALGORITHMS } from './algorithms.ts'
import { keepHashed } from './hashed-exchange.ts'
import { showCertificates } from './host-certificate.ts'
import { installHybrid } from './hybrid-key-exchange.ts'
import { DISCONNECT, MESSAGE } from './messages.ts'
import { type PacketBuffer, takePacketBuffer } from './packet-buffers.ts'
import { PacketFraming } from './packet-framing.ts'
import {
  createOffer,
  createProtocol,
  type Negotiated,
  type Offer,
  type ParsedKey,
  type Ssh2Protocol,
  seeFirstKexinit,
  sendPacket,
} from './ssh2-internals.ts'

/**
 * What the gateway says it is in its identification string. OpenSSH tells only a peer of this name when nobody reads a channel any
 * more (`eow@openssh.com`): without, `ssh host yes | head -1` would never end.
 */
export const SOFTWARE = 'OpenSSH_Sallyport'
/** RFC 4253 §4.2: an identification line has at most 255 bytes; a server may send other lines before it. */
const IDENT_BYTES = { server: 255, client: 16 * 1024 }
/** A key exchange that has not ended after this time ends the connection: until then, packets for it wait in memory. */
const KEY_EXCHANGE_MS = 30_000
/** How long a socket whose peer neither takes the last bytes nor closes is kept. */
const LINGER_MS = 5_000
/** How much may wait for one socket or one key exchange before the connection is given up: at first, when only answers are due… */
const WAITING_BYTES = 256 * 1024
/** …and once a relay bounds it: windows keep it far below. */
export const RELAY_WAITING_BYTES = 48 * 1024 * 1024
/** For all connections: room for several packets of bulk, which then leave in one write. */
const readBuffer = Buffer.allocUnsafeSlow(256 * 1024)
/** What a message that waits takes up beside its bytes: many small ones are more than they seem. */
const WAITING_OVERHEAD = 128

export type TransportRole =
  /** `cookie`: of the first KEXINIT, where it is not just any. */
  | { readonly side: 'server'; readonly hostKeys: HostKeys; readonly cookie?: Buffer | undefined }
  | {
      readonly side: 'client'
      readonly hostKeyAlgorithms: readonly string[]
      /** Whether the key is the target's. Called at every key exchange. */
      verifyHostKey(blob: Buffer): boolean
    }

export interface HostKeys {
  readonly byAlgorithm: Record<string, ParsedKey>
  readonly offer: Offer
}

export interface RekeyLimits {
  /** Bytes in both directions, and milliseconds, after which new keys are agreed on (RFC 4253 §9). */
  readonly rekeyBytes: number
  readonly rekeyMs: number
}

/** Of a connection that is over in a moment. */
export const NO_REKEYING: RekeyLimits = {
  rekeyBytes: Number.POSITIVE_INFINITY,
  rekeyMs: Number.POSITIVE_INFINITY,
}

/** The peer broke the transport protocol; any other error is one of the network. */
export class TransportViolation extends Error {
  override readonly name = 'TransportViolation'
}

/** The callbacks of a transport; replaced as the connection moves on (authentication, relay). */
export interface TransportListener {
  /** The first key exchange has ended. */
  ready?(): void
  /** A message above the transport layer. The payload is this listener's to read until it returns, and to keep if copied. */
  message(type: number, payload: Buffer): void
  /** The transport is over: without an error where one side said goodbye or closed. Called once. */
  ended(error: Error | undefined): void
}

export class Transport {
  readonly socket: Duplex
  listener: TransportListener
  /** The software part of the peer's identification string; empty before it came. */
  peerSoftware = ''
  /** What the peer said as it disconnected (RFC 4253 §11.1); empty where it did not. */
  goodbye = ''
  /** The method of the last key exchange. */
  keyExchange = ''
  /** Called when a key exchange begins or ends. */
  onKeyExchange: (() => void) | undefined
  /** Bytes that may wait for this peer before the connection is given up. */
  mostWaiting = WAITING_BYTES
  readonly #protocol: Ssh2Protocol
  readonly #isServer: boolean
  readonly #limits: RekeyLimits
  readonly #clock: Clock
  #identBytes = 0
  #ready = false
  #over = false
  #corked = false
  /** The memory of the packet that is being encrypted. */
  #pooled: PacketBuffer | undefined
  /** Known from the first keys on: before them, nothing of ours is sent. */
  #framing: PacketFraming | undefined
  #sinceKeys = 0
  #keysAt: number
  #waiting = 0
  #keyExchangeTimer: NodeJS.Timeout | undefined
  #hashed: (() => Buffer | undefined) | undefined

  constructor(socket: Duplex, role: TransportRole, listener: TransportListener, limits: RekeyLimits, clock: Clock) {
    this.socket = socket
    this.listener = listener
    this.#isServer = role.side === 'server'
    this.#limits = limits
    this.#clock = clock
    this.#keysAt = clock.now()
    const protocol = createProtocol({
      server: this.#isServer,
      ident: SOFTWARE,
      ...(role.side === 'server'
        ? { hostKeys: role.hostKeys.byAlgorithm, offer: role.hostKeys.offer, cookie: role.cookie }
        : { hostVerifier: blob => role.verifyHostKey(blob), offer: clientOffer(role.hostKeyAlgorithms) }),
      onWrite: bytes => this.#write(bytes),
      // OpenSSL has no words for a tag that is wrong.
      onError: ({ message: why }) => this.#end(new TransportViolation(why.startsWith('error:') ? 'Invalid MAC' : why)),
      onHeader: header => {
        this.peerSoftware = header.versions.software.slice(0, 100)
        seeFirstKexinit(protocol)
      },
      onHandshakeComplete: negotiated => this.#keysAgreed(negotiated),
      messageHandlers: {
        DISCONNECT: (_protocol, _reason, text) => {
          this.goodbye = text.slice(0, 200)
          this.#end(undefined)
        },
      },
    })
    if (role.side === 'server') showCertificates(protocol, role.hostKeys.byAlgorithm)
    protocol.sallyportKexinit = installHybrid(protocol, this.#isServer, KEY_EXCHANGES)
    if (role.side === 'server') this.#hashed = keepHashed(protocol)
    protocol.sallyport = (type, payload) => this.#message(type, payload)
    correctExtensionInfo(protocol, () => this.#sendExtensionInfo())
    this.#protocol = protocol
    if (socket instanceof Socket) {
      socket.setNoDelay(true)
      socket.setKeepAlive(true, 60_000)
    }
    socket.on('data', (chunk: Buffer) => this.#parse(chunk))
    socket.on('end', () => this.#end(undefined))
    socket.on('error', error => this.#end(error))
    socket.on('close', () => this.#end(undefined))
  }

  start(): void {
    this.#protocol.start()
  }

  get over(): boolean {
    return this.#over
  }

  /** The hash of the first key exchange: what user authentication signs (RFC 4252 §7). */
  get sessionId(): Buffer {
    return this.#protocol._kex!.sessionID
  }

  /** Of a server: what `sessionId` is the hash of (RFC 4253 §8), until nobody has to be told any more. */
  get hashed(): Buffer | undefined {
    return this.#hashed?.()
  }

  forgetHashed(): void {
    this.#hashed = undefined
  }

  /** True from our or the peer's KEXINIT to the new keys: meanwhile what is sent waits, so do not send more than is due. */
  get exchangingKeys(): boolean {
    return this.#protocol._kexinit !== undefined
  }

  /** Bytes that the peer has not taken yet. */
  get pendingBytes(): number {
    return this.socket.writableLength + this.#waiting
  }

  /** Sends a message that holds a secret, and overwrites it: the copy on its way is encrypted in place, but for one that waits for new keys. */
  sendSecret(payload: Buffer): void {
    this.send(payload)
    payload.fill(0)
  }

  /** Sends a message; the payload is copied. During a key exchange it waits for the new keys. */
  send(payload: Uint8Array): void {
    if (this.#over) return
    if (this.exchangingKeys) {
      this.#waiting += payload.length + WAITING_OVERHEAD
      sendPacket(this.#protocol, Buffer.from(payload))
    } else {
      const packet = this.#frame(payload)
      this.#count(packet.length)
      this.#protocol._cipher.encrypt(packet)
      // Still here where the cipher made a buffer of its own, or the socket is gone.
      this.#pooled?.release()
      this.#pooled = undefined
      this.#rekeyIfDue()
    }
    if (this.pendingBytes > this.mostWaiting) this.#end(new TransportViolation('the peer does not take its data'))
  }

  /** Says goodbye with DISCONNECT and closes once it has left; `text` is what the person reads. */
  disconnect(reason: number, text: string): void {
    this.#sayGoodbye(reason, text)
    this.#end(undefined)
  }

  /** Closes at once. */
  destroy(): void {
    this.#end(undefined)
    this.socket.destroy()
  }

  /** From now on, data messages are there only until the listener returns: bulk needs no memory of its own then. */
  reuseMemory(): void {
    this.#protocol.sallyportReuses = true
    readIntoOneBuffer(this.socket, { buffer: readBuffer, take: bytes => this.#parse(bytes) })
  }

  /** Tells the peer that we do not know this message (RFC 4253 §11.4). */
  unimplemented(): void {
    this.send(message(MESSAGE.UNIMPLEMENTED, uint32((this.#protocol._decipher.inSeqno - 1) >>> 0)))
  }

  #parse(chunk: Buffer): void {
    if (this.#over) return
    try {
      if (this.peerSoftware === '') this.#boundIdent(chunk)
      this.#count(chunk.length)
      this.#protocol.parse(chunk, 0, chunk.length)
      this.#rekeyIfDue()
    } catch (error) {
      this.#sayGoodbye(DISCONNECT.PROTOCOL_ERROR, 'a message broke the protocol')
      this.#end(new TransportViolation(messageOf(error), { cause: error }))
    }
  }

  #sayGoodbye(reason: number, text: string): void {
    if (this.#over || this.peerSoftware === '') return
    const payload = message(MESSAGE.DISCONNECT, uint32(reason), string(text), string(''))
    const write = this.#protocol._packetRW.write
    const start = write.allocStartKEX
    const packet = write.alloc(payload.length, true)
    packet.set(payload, start)
    sendPacket(this.#protocol, packet, true)
  }

  #boundIdent(chunk: Buffer): void {
    const bound = this.#isServer ? IDENT_BYTES.server : IDENT_BYTES.client
    const line = this.#isServer ? chunk.indexOf(10) : chunk.indexOf('SSH-')
    this.#identBytes += line === -1 ? chunk.length : line
    if (this.#identBytes > bound) throw new TransportViolation('the peer does not speak SSH')
  }

  #message(type: number, payload: Buffer): void {
    if (this.#over || type === MESSAGE.EXT_INFO) return
    this.listener.message(type, payload)
  }

  #write(bytes: Buffer): void {
    const socket = this.socket
    if (!socket.writable) return
    if (!this.#corked) {
      this.#corked = true
      socket.cork()
      setImmediate(() => {
        this.#corked = false
        socket.uncork()
      })
    }
    const pooled = this.#pooled
    if (pooled === undefined || bytes.buffer !== pooled.memory.buffer) {
      socket.write(bytes)
    } else {
      this.#pooled = undefined
      socket.write(bytes, pooled.release)
    }
  }

  #frame(payload: Uint8Array): Buffer {
    const framing = this.#framing!
    const bytes = framing.bytes(payload.length)
    this.#pooled = takePacketBuffer(bytes)
    const packet = this.#pooled?.memory.subarray(0, bytes) ?? Buffer.allocUnsafe(bytes)
    framing.write(packet, payload)
    return packet
  }

  #count(bytes: number): void {
    this.#sinceKeys += bytes
  }

  #rekeyIfDue(): void {
    if (this.#over || !this.#ready || this.exchangingKeys) return
    const { rekeyBytes, rekeyMs } = this.#limits
    if (this.#sinceKeys <= rekeyBytes && this.#clock.now() - this.#keysAt <= rekeyMs) return
    this.#protocol.rekey()
    this.#keyExchangeTimer = setTimeout(
      () => this.#end(new TransportViolation('the key exchange took too long')),
      KEY_EXCHANGE_MS,
    ).unref()
    this.onKeyExchange?.()
  }

  #keysAgreed(negotiated: Negotiated): void {
    clearTimeout(this.#keyExchangeTimer)
    this.#keyExchangeTimer = undefined
    this.#sinceKeys = 0
    this.#keysAt = this.#clock.now()
    this.#waiting = 0
    this.keyExchange = negotiated.kex
    this.#framing = new PacketFraming(this.#protocol._cipher, this.#isServer ? negotiated.sc : negotiated.cs)
    if (!this.#ready) {
      this.#ready = true
      this.listener.ready?.()
    }
    this.onKeyExchange?.()
  }

  /** The first message under the new keys (RFC 8308 §2.4): a server's `ready` must send nothing. */
  #sendExtensionInfo(): void {
    if (!this.#isServer) return
    const algorithms = USER_SIGNATURE_ALGORITHMS.join(',')
    this.send(message(MESSAGE.EXT_INFO, uint32(1), string('server-sig-algs'), string(algorithms)))
  }

  #end(error: Error | undefined): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#keyExchangeTimer)
    const socket = this.socket
    socket.end()
    socket.resume()
    if (!socket.destroyed) destroyWhenStuck(socket)
    // Encrypted packets are with the socket by now; the ciphers' memory is outside of the heap, so free it at once.
    this.#protocol.cleanup()
    this.listener.ended(error)
  }
}

/** What the peer sends does not count, only what it takes: else one that dribbles bytes would keep its session open. */
function destroyWhenStuck(socket: Duplex): void {
  let waiting = Number.POSITIVE_INFINITY
  const watch = setInterval(() => {
    if (socket.writableLength === 0 || socket.writableLength >= waiting) socket.destroy()
    waiting = socket.writableLength
  }, LINGER_MS).unref()
  socket.once('close', () => clearInterval(watch))
}

/** The server's offer: host key algorithms by the keys there are. */
export function serverOffer(hostKeyAlgorithms: string[]): Offer {
  return offer(hostKeyAlgorithms, ['kex-strict-s-v00@openssh.com'])
}

function clientOffer(hostKeyAlgorithms: readonly string[]): Offer {
  return offer([...hostKeyAlgorithms], ['ext-info-c', 'kex-strict-c-v00@openssh.com'])
}

function offer(hostKeys: string[], signals: string[]): Offer {
  return createOffer({ keyExchanges: [...KEY_EXCHANGES, ...signals], hostKeys, ciphers: CIPHERS, macs: MACS })
}

/** ssh2 forgets a comma in its `server-sig-algs` (rsa-sha2-512 is lost) and names SHA-1: keep it from sending, we send ours. */
function correctExtensionInfo(protocol: Ssh2Protocol, sendOurs: () => void): void {
  const complete = protocol._onHandshakeComplete
  let first = true
  protocol._onHandshakeComplete = negotiated => {
    const kex = protocol._kex!
    const wanted = first && kex.remoteExtInfoEnabled
    first = false
    kex.remoteExtInfoEnabled = false
    complete(negotiated)
    if (wanted) sendOurs()
  }
}
