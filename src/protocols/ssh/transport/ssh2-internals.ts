/**
 * What the gateway uses of ssh2 beneath its public face: the transport layer alone (`Protocol`), with every message from
 * user authentication upwards handed to us raw. ssh2's private names stand here, in what uses these types beside it, and in
 * `shared/ssh-encoding/ssh2.ts`; its version is pinned.
 */

import { loadSsh2 } from '../../../shared/ssh-encoding/ssh2.ts'
import { type Decipher, type GcmDecipher, PacketReader } from './packet-reader.ts'

/** A key as ssh2 parses it. */
export interface ParsedKey {
  readonly type: string
  isPrivateKey(): boolean
  /** The public half as an SSH blob (RFC 4253 §6.6). */
  getPublicSSH(): Buffer
  /** `algorithm` is node's hash name, for RSA. ECDSA signatures come as DER. */
  sign(data: Buffer, algorithm?: string): Buffer | Error
}

export interface Cipher {
  allocPacket(payloadBytes: number): Buffer
  encrypt(packet: Buffer): void
}

export interface Negotiated {
  readonly kex: string
  readonly serverHostKey: string
  readonly cs: { readonly cipher: string; readonly mac: string }
  readonly sc: { readonly cipher: string; readonly mac: string }
}

/** An offer of algorithms, encoded once and shared by all connections. */
export interface Offer {
  readonly totalSize: number
}

/** A running key exchange. */
export interface KeyExchange {
  remoteExtInfoEnabled: boolean
  /** The hash of the connection's first exchange. */
  sessionID: Buffer
  negotiated: { kex: string; serverHostKey: string }
  computeSecret(peer: Buffer): Buffer | Error
  convertPublicKey(key: Buffer): Buffer
  getPublicKey(): Buffer
  _kexinit: Buffer
  _remoteKexinit: Buffer
  _identRaw: Buffer
  _remoteIdentRaw: Buffer
  _hostKey: ParsedKey
}

export interface Ssh2Protocol {
  start(): void
  parse(chunk: Buffer, from: number, to: number): void
  rekey(): void
  cleanup(): void
  /** Our receiver of messages; ssh2 knows nothing of it. */
  sallyport?: (type: number, payload: Buffer) => void
  _cipher: Cipher
  /** Ours: called with each key exchange when its algorithms are agreed on. */
  sallyportExchanges: ((exchange: KeyExchange) => void)[]
  /** Ours: what ssh2 is to see in place of the peer's KEXINIT. */
  sallyportKexinit?: (payload: Buffer) => Buffer
  _decipher: Decipher
  /** Ours: the memory of what is parsed, and of data messages, is used again when they have been taken. */
  sallyportReuses: boolean
  _skipNextInboundPacket: boolean
  _kex: KeyExchange | undefined
  /** Set while a key exchange runs: our own KEXINIT. */
  _kexinit: Buffer | undefined
  _queue: Buffer[] | undefined
  _onHandshakeComplete: (negotiated: Negotiated) => void
  _packetRW: { write: { allocStartKEX: number; alloc(bytes: number, force: boolean): Buffer } }
}

interface ProtocolConfig {
  server: boolean
  hostKeys?: Record<string, ParsedKey>
  hostVerifier?: (blob: Buffer) => boolean
  offer: Offer
  /** Ours: of our first KEXINIT (RFC 4253 §7.1), where it is not to be ssh2's own. */
  cookie?: Buffer | undefined
  ident: string
  onWrite: (bytes: Buffer) => void
  onError: (error: Error) => void
  onHeader: (header: { versions: { software: string } }) => void
  onHandshakeComplete: (negotiated: Negotiated) => void
  messageHandlers: { DISCONNECT: (self: Ssh2Protocol, reason: number, text: string) => void }
}

const KEXINIT = 20

type Handler = (self: Ssh2Protocol, payload: Buffer) => unknown

const handlers = loadSsh2('lib/protocol/handlers.js') as (Handler | undefined)[]
const utilities = loadSsh2('lib/protocol/utils.js') as {
  sendPacket(self: Ssh2Protocol, packet: Buffer, evenDuringKeyExchange?: boolean): boolean
  sigSSHToASN1(signature: Buffer, type: string): Buffer | undefined
  convertSignature(signature: Buffer, type: string): Buffer | false
}
const cryptography = loadSsh2('lib/protocol/crypto.js') as {
  bindingAvailable: boolean
  CIPHER_INFO: Record<string, { blockLen: number; authLen: number }>
  MAC_INFO: Record<string, { isETM: boolean }>
}
const keyParser = loadSsh2('lib/protocol/keyParser.js') as {
  parseKey(text: string | Buffer, passphrase?: string): ParsedKey | ParsedKey[] | Error
}
const { KexInit } = loadSsh2('lib/protocol/kex.js') as { KexInit: new (lists: object) => Offer }
const Ssh2ProtocolClass = loadSsh2('lib/protocol/Protocol.js') as new (config: ProtocolConfig) => Ssh2Protocol

/** The public face of ssh2. */
export const ssh2 = loadSsh2() as typeof import('ssh2')

/** Whether ssh2's native cryptography is built for this Node. Without it, SSH costs three times the CPU. */
export const nativeCryptography: boolean = cryptography.bindingAvailable

export const { sendPacket, convertSignature } = utilities
export const { CIPHER_INFO, MAC_INFO } = cryptography
export const { parseKey } = keyParser

/**
 * From here on, messages that reach a connection of ours (one with a `sallyport` receiver) go there and nowhere else:
 * everything but the transport layer's own (DISCONNECT to DEBUG, and the key exchange). Other uses of ssh2 stay as they were.
 */
function handOverMessages(): void {
  const kexinit = handlers[KEXINIT]!
  // A key exchange that the peer begins later; the first one goes another way, see `seeFirstKexinit`.
  handlers[KEXINIT] = (self, payload) => kexinit(self, self.sallyportKexinit?.(payload) ?? payload)
  for (let type = 0; type < 256; type++) {
    if ((type >= 1 && type <= 4) || (type >= 20 && type <= 49)) continue
    const original = handlers[type]
    handlers[type] = (self, payload) => {
      if (self.sallyport === undefined) return original?.(self, payload)
      self.sallyport(type, payload)
      return undefined
    }
  }
}
handOverMessages()

/** Call it when the peer's identification has come: its first KEXINIT follows. */
export function seeFirstKexinit(protocol: Ssh2Protocol): void {
  const decipher = protocol._decipher
  const read = decipher._onPayload
  decipher._onPayload = payload => {
    if (payload[0] !== KEXINIT || protocol._kex !== undefined || protocol._skipNextInboundPacket) return read(payload)
    return read(protocol.sallyportKexinit?.(payload) ?? payload)
  }
}

export function createProtocol(config: ProtocolConfig): Ssh2Protocol {
  const protocol = new Ssh2ProtocolClass(config)
  if (config.cookie !== undefined) setCookie(protocol, config.cookie)
  const listeners: ((exchange: KeyExchange) => void)[] = []
  let current: KeyExchange | undefined
  Object.defineProperty(protocol, '_kex', {
    configurable: true,
    enumerable: true,
    get: () => current,
    set(exchange: KeyExchange | undefined) {
      current = exchange
      if (exchange !== undefined) for (const listener of listeners) listener(exchange)
    },
  })
  protocol.sallyportExchanges = listeners
  readPackets(protocol)
  return protocol
}

/** Ours in place of ssh2's where it is AES-GCM; another must not keep what it is given where that is used again. */
function readPackets(protocol: Ssh2Protocol): void {
  protocol.sallyportReuses = false
  const mayReuse = () => protocol.sallyportReuses
  let current = protocol._decipher
  Object.defineProperty(protocol, '_decipher', {
    configurable: true,
    enumerable: true,
    get: () => current,
    set(decipher: Decipher) {
      current = decipher
      if (decipher.constructor.name === 'AESGCMDecipherBinding') {
        const reader = new PacketReader(decipher as GcmDecipher, mayReuse)
        decipher.decrypt = (data, from, end) => reader.decrypt(data, from, end)
        return
      }
      const decrypt = decipher.decrypt
      decipher.decrypt = (data, from, end) => {
        if (!mayReuse()) return decrypt.call(decipher, data, from, end)
        const next = decrypt.call(decipher, Buffer.from(data.subarray(from, end)), 0, end - from)
        return next === undefined ? undefined : from + next
      }
    },
  })
}

/** ssh2 has the message here before it is sent. */
function setCookie(protocol: Ssh2Protocol, cookie: Buffer): void {
  let current: Buffer | undefined
  let first = true
  Object.defineProperty(protocol, '_kexinit', {
    configurable: true,
    enumerable: true,
    get: () => current,
    set(kexinit: Buffer | undefined) {
      if (first) kexinit?.set(cookie, 1)
      if (kexinit !== undefined) first = false
      current = kexinit
    },
  })
}

export function createOffer(lists: {
  keyExchanges: string[]
  hostKeys: string[]
  ciphers: string[]
  macs: string[]
}): Offer {
  const direction = { cipher: lists.ciphers, mac: lists.macs, compress: ['none'], lang: [] }
  return new KexInit({ kex: lists.keyExchanges, serverHostKey: lists.hostKeys, cs: direction, sc: direction })
}
