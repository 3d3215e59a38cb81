/** An SSH host of our own with SFTP alone, on files in memory, that can be made to lie about each of its answers. */

import type * as Ssh2 from 'ssh2'
import type { Test } from 'tap'
import { SFTP } from '../../src/protocols/ssh/sftp-types.ts'
import { generateKeyPair } from '../../src/protocols/ssh/transport/generate-key-pair.ts'
import { loadSsh2 } from '../../src/shared/ssh-encoding/ssh2.ts'
import { string, uint32, uint64, WireReader } from '../../src/shared/ssh-encoding/wire.ts'

const { Server } = loadSsh2() as { Server: typeof Ssh2.Server }

export interface HostFile {
  bytes: Buffer
  mode: number
  uid: number
}

/** A request, as a lie sees it. `path` is of the file that is meant, also by a handle. */
export interface SftpRequest {
  readonly type: number
  readonly id: number
  readonly path: string
  /** How many of this type there were before, on this connection. */
  readonly before: number
  readonly host: SftpHost
  readonly channel: Ssh2.ServerChannel
}

/** The payload of its answer; `nothing`: it sends none; undefined: the truth. */
export type Lie = (request: SftpRequest) => Buffer | 'nothing' | undefined

export interface SftpHost {
  readonly host: string
  readonly port: number
  readonly hostKeys: string[]
  readonly files: Map<string, HostFile>
  lie: Lie
  /** Of answers, one byte in a packet. */
  inSinglePieces: boolean
  extensions: readonly string[]
}

export const REGULAR = 0o100000

export const packet = (type: number, id: number, ...fields: Buffer[]) =>
  Buffer.concat([Buffer.of(type), uint32(id), ...fields])
export const status = (id: number, code: number, words = 'words') =>
  packet(SFTP.STATUS, id, uint32(code), string(words), string(''))
export const attributes = (id: number, { bytes, mode, uid }: HostFile, size = BigInt(bytes.length)) =>
  packet(SFTP.ATTRS, id, uint32(7), uint64(size), uint32(uid), uint32(uid), uint32(mode))

export async function startSftpHost(t: Test): Promise<SftpHost> {
  const key = generateKeyPair('ed25519')
  const server = new Server({ hostKeys: [key.secret.reveal()] }, client => {
    client.on('error', () => undefined)
    client.on('authentication', context => (context.method === 'publickey' ? context.accept() : context.reject()))
    client.on('session', accept => {
      const session = accept()
      session.on('exec', (_accept, reject) => reject?.())
      session.on('subsystem', accept => serve(accept(), host))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const host: SftpHost = {
    ...{ host: '127.0.0.1', port: (server.address() as { port: number }).port, hostKeys: [key.public.trim()] },
    ...{ files: new Map(), lie: () => undefined, inSinglePieces: false },
    extensions: ['posix-rename@openssh.com', 'fsync@openssh.com'],
  }
  return host
}

function serve(channel: Ssh2.ServerChannel, host: SftpHost): void {
  let received = Buffer.alloc(0)
  const handles = new Map<string, string>()
  const counts = new Map<number, number>()
  const say = (payload: Buffer) => {
    const bytes = string(payload)
    if (!host.inSinglePieces) channel.write(bytes)
    else for (let at = 0; at < bytes.length; at++) channel.write(bytes.subarray(at, at + 1))
  }
  channel.on('error', () => undefined)
  channel.on('data', (bytes: Buffer) => {
    received = Buffer.concat([received, bytes])
    while (received.length >= 4 && received.length >= 4 + received.readUInt32BE(0)) {
      const end = 4 + received.readUInt32BE(0)
      answer(new WireReader(received.subarray(4, end)))
      received = received.subarray(end)
    }
  })

  function answer(fields: WireReader): void {
    const type = fields.byte()
    const id = fields.uint32()
    if (type === SFTP.INIT) {
      const extensions = host.extensions.flatMap(name => [string(name), string('1')])
      say(Buffer.concat([Buffer.of(SFTP.VERSION), uint32(3), ...extensions]))
      return
    }
    const first = fields.string().toString('latin1')
    const path = handles.get(first) ?? first
    const before = counts.get(type) ?? 0
    counts.set(type, before + 1)
    const lie = host.lie({ type, id, path, before, host, channel })
    if (lie === 'nothing') return
    say(lie ?? truth(type, id, first, fields))
  }

  function truth(type: number, id: number, first: string, fields: WireReader): Buffer {
    const { files } = host
    const path = handles.get(first) ?? first
    const file = files.get(path)
    switch (type) {
      case SFTP.LSTAT:
        if (path === '.ssh') return packet(SFTP.ATTRS, id, uint32(4), uint32(0o40700))
        return file === undefined ? status(id, 2) : attributes(id, file)
      case SFTP.FSTAT:
        return attributes(id, file!)
      case SFTP.OPEN: {
        const flags = fields.uint32()
        if (flags & 8) files.set(path, { bytes: Buffer.alloc(0), mode: REGULAR | 0o600, uid: 1000 })
        else if (file === undefined) return status(id, 2)
        const handle = `handle ${handles.size}`
        handles.set(handle, path)
        return packet(SFTP.HANDLE, id, string(handle))
      }
      case SFTP.READ: {
        const from = Number(fields.uint64())
        const piece = file!.bytes.subarray(from, from + fields.uint32())
        return piece.length === 0 ? status(id, 1) : packet(SFTP.DATA, id, string(piece))
      }
      case SFTP.WRITE: {
        fields.uint64()
        file!.bytes = Buffer.concat([file!.bytes, fields.string()])
        return status(id, 0)
      }
      case SFTP.FSETSTAT: {
        if (fields.uint32() === 4) file!.mode = REGULAR | fields.uint32()
        return status(id, 0)
      }
      case SFTP.REMOVE:
        return status(id, files.delete(path) ? 0 : 2)
      case SFTP.EXTENDED: {
        if (first !== 'posix-rename@openssh.com') return status(id, 0)
        const from = fields.string().toString()
        files.set(fields.string().toString(), files.get(from)!)
        files.delete(from)
        return status(id, 0)
      }
      default:
        return status(id, 0)
    }
  }
}
