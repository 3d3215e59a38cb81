/** An SSH client of our own that says whatever a test wants it to say, after an honest key exchange. */

import { type KeyObject, sign } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { MESSAGE } from '../../src/protocols/ssh/transport/messages.ts'
import { Transport } from '../../src/protocols/ssh/transport/transport.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { boolean, message, string, uint32, WireReader } from '../../src/shared/ssh-encoding/wire.ts'

export interface RawClient {
  readonly transport: Transport
  send(type: number, ...fields: Uint8Array[]): void
  /** The next message of this type; others before it are passed over. Rejects when the connection ends first. */
  next(type: number): Promise<Buffer>
  /** The next message that is of one of these types, by its type. */
  nextOf(...types: number[]): Promise<number>
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>
}

/** Connects and exchanges keys, and is accepted for user authentication. */
export async function connectRaw(at: { host: string; port: number }): Promise<RawClient> {
  const socket = connect(at.port, at.host)
  const ready = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  const messages: Buffer[] = []
  let look = () => {}
  let over = false
  const transport = new Transport(
    socket,
    { side: 'client', hostKeyAlgorithms: ['ssh-ed25519', 'ecdsa-sha2-nistp256'], verifyHostKey: () => true },
    {
      ready: ready.resolve,
      message(_type, payload) {
        messages.push(Buffer.from(payload))
        look()
      },
      ended(error) {
        over = true
        ready.reject(error ?? new Error('closed before the key exchange'))
        ended.resolve()
        look()
      },
    },
    { rekeyBytes: Number.POSITIVE_INFINITY, rekeyMs: Number.POSITIVE_INFINITY },
    systemClock,
  )
  await once(socket, 'connect')
  transport.start()
  await ready.promise
  const firstOf = (types: number[]) =>
    new Promise<Buffer>((resolve, reject) => {
      look = () => {
        for (let payload = messages.shift(); payload !== undefined; payload = messages.shift()) {
          if (types.includes(payload[0]!)) {
            look = () => {}
            resolve(payload)
            return
          }
        }
        if (over) reject(new Error(`the connection ended before message ${types}`))
      }
      look()
    })
  const client: RawClient = {
    transport,
    ended: ended.promise,
    send: (type, ...fields) => transport.send(message(type, ...fields)),
    next: type => firstOf([type]),
    nextOf: async (...types) => (await firstOf(types))[0]!,
  }
  client.send(MESSAGE.SERVICE_REQUEST, string('ssh-userauth'))
  await client.next(MESSAGE.SERVICE_ACCEPT)
  return client
}

export interface Ed25519Key {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

export function blobOf({ publicKey }: Ed25519Key): Buffer {
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url')
  return Buffer.concat([string('ssh-ed25519'), string(raw)])
}

/** A public key request; `signer` signs it, `blob` is what it names (by default the signer's). */
export function publicKeyRequest(
  client: RawClient,
  login: string,
  signer: Ed25519Key | undefined,
  blob = blobOf(signer!),
  session = client.transport.sessionId,
): Buffer {
  const fields = [string(login), string('ssh-connection'), string('publickey'), boolean(signer !== undefined)]
  const request = message(MESSAGE.USERAUTH_REQUEST, ...fields, string('ssh-ed25519'), string(blob))
  if (signer === undefined) return request
  const signature = sign(null, Buffer.concat([string(session), request]), signer.privateKey)
  return Buffer.concat([request, string(Buffer.concat([string('ssh-ed25519'), string(signature)]))])
}

export interface AuthFailure {
  readonly methods: string[]
  readonly partial: boolean
}

export async function nextFailure(client: RawClient): Promise<AuthFailure> {
  const reader = new WireReader(await client.next(MESSAGE.USERAUTH_FAILURE), 1)
  return { methods: reader.nameList(), partial: reader.boolean() }
}

/** Opens a session channel with our number 0; gives the target's number. */
export async function openSession(client: RawClient, window = 1000): Promise<number> {
  client.send(MESSAGE.CHANNEL_OPEN, string('session'), uint32(0), uint32(window), uint32(32_768))
  return (await client.next(MESSAGE.CHANNEL_OPEN_CONFIRMATION)).readUInt32BE(5)
}

/** The same, and logged in by its key. */
export async function logInRaw(at: { host: string; port: number }, login: string, key: Ed25519Key): Promise<RawClient> {
  const client = await connectRaw(at)
  client.transport.send(publicKeyRequest(client, login, key))
  await client.next(MESSAGE.USERAUTH_SUCCESS)
  return client
}
