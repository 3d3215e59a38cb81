/** A target of our own that lets everybody in and then says whatever a test wants it to say. */

import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { generateKeyPair } from '../../src/protocols/ssh/transport/generate-key-pair.ts'
import { parseHostKeys } from '../../src/protocols/ssh/transport/host-keys.ts'
import { MESSAGE } from '../../src/protocols/ssh/transport/messages.ts'
import { Transport } from '../../src/protocols/ssh/transport/transport.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { message, string, uint32, WireReader } from '../../src/shared/ssh-encoding/wire.ts'

/** Where the client leaves the choice. */
export const CHOSEN_PORT = uint32(4711)

/** One connection to the target, as the target sees it. Its own number for every channel is that of the client. */
export interface HostileEnd {
  send(type: number, ...fields: Uint8Array[]): void
  close(): void
}

export interface HostileTarget {
  readonly host: string
  readonly port: number
  readonly hostKeys: string[]
  /** What it does once a shell or command was asked for on channel `channel`, and granted. */
  onProgram: (end: HostileEnd, channel: number) => void
  close(): void
}

export async function startHostileTarget(): Promise<HostileTarget> {
  const key = generateKeyPair('ed25519')
  const hostKeys = parseHostKeys([key.secret])
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    const transport = new Transport(
      socket,
      { side: 'server', hostKeys },
      { message: (type, payload) => receive(target, transport, type, payload), ended() {} },
      { rekeyBytes: Number.POSITIVE_INFINITY, rekeyMs: Number.POSITIVE_INFINITY },
      systemClock,
    )
    transport.start()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const target: HostileTarget = {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    hostKeys: [key.public.trim()],
    onProgram() {},
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
  return target
}

function receive(target: HostileTarget, transport: Transport, type: number, payload: Buffer): void {
  const send = (type: number, ...fields: Uint8Array[]) => transport.send(message(type, ...fields))
  const reader = new WireReader(payload, 1)
  if (type === MESSAGE.SERVICE_REQUEST) send(MESSAGE.SERVICE_ACCEPT, string(reader.utf8()))
  else if (type === MESSAGE.USERAUTH_REQUEST) send(MESSAGE.USERAUTH_SUCCESS)
  else if (type === MESSAGE.CHANNEL_OPEN) {
    reader.utf8()
    const channel = uint32(reader.uint32())
    send(MESSAGE.CHANNEL_OPEN_CONFIRMATION, channel, channel, uint32(100_000), uint32(32_768))
  } else if (type === MESSAGE.CHANNEL_REQUEST) {
    const channel = reader.uint32()
    const name = reader.utf8()
    if (reader.boolean()) send(MESSAGE.CHANNEL_SUCCESS, uint32(channel))
    if (name === 'exec' || name === 'shell') target.onProgram({ send, close: () => transport.destroy() }, channel)
  } else if (type === MESSAGE.GLOBAL_REQUEST) {
    const name = reader.utf8()
    const wantsReply = reader.boolean()
    const anyPort = name === 'tcpip-forward' && reader.string().length >= 0 && reader.uint32() === 0
    if (wantsReply) send(MESSAGE.REQUEST_SUCCESS, ...(anyPort ? [CHOSEN_PORT] : []))
  }
}
