/** The first packets of a connection: encryption asked for and given, wrong protocols told so, until the startup message is there. */

import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { SocketReader } from '../../relaying/socket-reader.ts'
import { parseStartupPacket, type StartupPacket, startupPacketLength } from '../wire/startup.ts'
import { violation } from '../wire/violation.ts'
import type { TlsUpgrade } from './tls-upgrade.ts'

/** More than any password message or startup packet needs. */
const READ_LIMIT_BYTES = 16 * 1024
const TLS_HANDSHAKE_RECORD = 0x16
const NOT_POSTGRES = /^(?:SSH-|GET |POST|HEAD|PUT |DELE|OPTI|PRI |CONN)/

export type Opening =
  | { readonly kind: 'cancel'; readonly processId: number; readonly key: Buffer }
  /** A startup without TLS, where that is not allowed. */
  | { readonly kind: 'plaintext'; readonly login: string }
  | {
      readonly kind: 'startup'
      readonly socket: Socket
      readonly reader: SocketReader
      readonly packet: Extract<StartupPacket, { kind: 'startup' }>
    }

/**
 * Undefined when the client left or its TLS handshake failed. Throws PROTOCOL_VIOLATION; `current` then tells the
 * socket to answer on.
 */
export async function openConnection(
  raw: Socket,
  options: { upgrade: TlsUpgrade; mayBePlaintext: boolean; current: (socket: Socket) => void },
): Promise<Opening | undefined> {
  let socket = raw
  let reader = new SocketReader(socket, READ_LIMIT_BYTES, violation)
  const secure = async (): Promise<TLSSocket | undefined> => {
    const secured = await options.upgrade(raw)
    if (secured === undefined) return undefined
    socket = secured
    options.current(secured)
    reader = new SocketReader(secured, READ_LIMIT_BYTES, violation)
    return secured
  }

  const first = await reader.peek(1)
  if (first?.[0] === TLS_HANDSHAKE_RECORD) {
    raw.unshift(reader.detach())
    const secured = await secure()
    if (secured === undefined) return undefined
    // Without ALPN another protocol's TLS client could be sent here (CVE-2021-23222's lesson; PostgreSQL demands it too).
    if (secured.alpnProtocol !== 'postgresql') throw violation('direct TLS needs the ALPN protocol "postgresql"')
  }

  let refusedGss = false
  while (true) {
    const packet = await readStartupPacket(reader)
    if (packet === undefined) return undefined
    switch (packet.kind) {
      case 'cancel-request':
        return { kind: 'cancel', processId: packet.processId, key: packet.key }
      case 'gssenc-request':
        if (refusedGss || socket instanceof TLSSocket) throw violation('encryption is asked for twice')
        refuseSurplus(reader)
        refusedGss = true
        socket.write('N')
        break
      case 'ssl-request':
        if (socket instanceof TLSSocket) throw violation('encryption is asked for twice')
        refuseSurplus(reader)
        reader.detach()
        raw.write('S')
        if ((await secure()) === undefined) return undefined
        break
      case 'startup':
        if (!(socket instanceof TLSSocket) && !options.mayBePlaintext) {
          return { kind: 'plaintext', login: packet.parameters.get('user') ?? '' }
        }
        return { kind: 'startup', socket, reader, packet }
    }
  }
}

/** Bytes behind an encryption request came before encryption: they could be anyone's (CVE-2021-23214). */
function refuseSurplus(reader: SocketReader): void {
  if (reader.bufferedBytes > 0) throw violation('data was sent before encryption began')
}

async function readStartupPacket(reader: SocketReader): Promise<StartupPacket | undefined> {
  const header = await reader.peek(4)
  if (header === undefined) return undefined
  if (NOT_POSTGRES.test(header.toString('latin1'))) throw violation('this port is for PostgreSQL clients')
  const packet = await reader.read(startupPacketLength(header))
  return packet && parseStartupPacket(packet)
}
