/** The few requests of SFTP (draft-ietf-secsh-filexfer-02, version 3) that a connector makes, one after the other. */

import { message, string, uint32, uint64, WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { SFTP } from '../sftp-types.ts'
import type { OwnChannels } from '../target-side/own-channels.ts'
import { Program } from '../target-side/program.ts'
import { plain } from '../transport/texts.ts'

const STATUS = { OK: 0, EOF: 1, NO_SUCH_FILE: 2 } as const
const ATTRIBUTE = { SIZE: 1, OWNER: 2, MODE: 4 } as const
/** READ; and WRITE, CREAT, EXCL. */
const READ_FLAGS = 0x1
const NEW_FLAGS = 0x2 | 0x8 | 0x20
const PIECE = 32 * 1024
const MOST_PACKET = 256 * 1024
const MOST_HANDLE = 256
const CHANGED = 'it changed meanwhile: try again'

export interface Attributes {
  /** Undefined: it does not say. */
  readonly size: bigint | undefined
  readonly uid: number
  readonly gid: number
  /** With the kind of the file. */
  readonly mode: number
}

/** The server's no, in its words. */
export class SftpRefused extends Error {
  override readonly name = 'SftpRefused'
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }

  get notThere(): boolean {
    return this.code === STATUS.NO_SUCH_FILE
  }
}

/** The connection, or the server, is gone; or it breaks the protocol. */
export class SftpLost extends Error {
  override readonly name = 'SftpLost'
}

export class SftpClient {
  #program: Program | undefined
  /** Of one answer; grows as more comes: a piece may be one byte. */
  #received = Buffer.alloc(4096)
  #bytes = 0
  #next = 0
  #waiting: ((packet: WireReader) => void) | undefined
  #lost: Error | undefined
  #fail: ((error: Error) => void) | undefined
  /** What the server can do beyond version 3. */
  readonly extensions = new Set<string>()

  /** Throws SftpLost where there is no SFTP, and as OwnChannels.open. */
  static async start(host: OwnChannels, signal: AbortSignal): Promise<SftpClient> {
    const client = new SftpClient()
    const said = (bytes: Buffer, stderr: boolean) => {
      if (!stderr) client.#hear(bytes)
    }
    const program = await host.open('session', [], (id, end) => new Program(host, id, end, said), signal)
    client.#program = program
    const giveUp = () => client.#over(new SftpLost('it took too long, or was given up'))
    signal.addEventListener('abort', giveUp, { once: true })
    void program.ended.then(() => {
      signal.removeEventListener('abort', giveUp)
      client.#over(new SftpLost('the SFTP server ended'))
    })
    if (!(await program.start('subsystem', 'sftp'))) throw new SftpLost('the target has no SFTP')
    const version = await client.#answer(message(SFTP.INIT, uint32(3)))
    if (version.byte() !== SFTP.VERSION || version.uint32() < 3) throw new SftpLost('the target speaks another SFTP')
    while (!version.atEnd) {
      client.extensions.add(version.utf8())
      version.string()
    }
    return client
  }

  async linkAttributes(path: string): Promise<Attributes> {
    return attributesIn(await this.#ask(SFTP.ATTRS, SFTP.LSTAT, string(path)))
  }

  /** At most so many bytes and a piece more, of the file that was looked at before: a link may stand in its place by now. */
  async read(path: string, most: number, seen: Attributes): Promise<Buffer> {
    const handle = await this.#open(path, READ_FLAGS)
    const pieces: Buffer[] = []
    let bytes = 0
    try {
      const opened = attributesIn(await this.#ask(SFTP.ATTRS, SFTP.FSTAT, string(handle)))
      if (!isAlike(opened, seen) || opened.size !== seen.size) throw new SftpRefused(STATUS.OK, CHANGED)
      while (bytes <= most) {
        const fields = [string(handle), uint64(BigInt(bytes)), uint32(PIECE)]
        const piece = await this.#ask(SFTP.DATA, SFTP.READ, ...fields)
        const read = Buffer.from(piece.string())
        if (read.length === 0) throw new SftpLost('the target answers with nothing')
        if (read.length > PIECE) throw new SftpLost('the target answers with more than it was asked for')
        pieces.push(read)
        bytes += read.length
      }
    } catch (error) {
      if (!(error instanceof SftpRefused) || error.code !== STATUS.EOF) throw error
    } finally {
      await this.#close(handle)
    }
    if (bytes <= most && seen.size !== undefined && BigInt(bytes) !== seen.size)
      throw new SftpRefused(STATUS.OK, CHANGED)
    return Buffer.concat(pieces)
  }

  /** A file that was not there, with this content, on the disk where the server can do that. `like`: the owner and the mode that it gets. */
  async create(path: string, bytes: Buffer, like: Pick<Attributes, 'uid' | 'gid' | 'mode'> | undefined): Promise<void> {
    const handle = await this.#open(path, NEW_FLAGS, 0o600)
    try {
      for (let at = 0; at < bytes.length; at += PIECE) {
        const piece = bytes.subarray(at, at + PIECE)
        await this.#ask(SFTP.STATUS, SFTP.WRITE, string(handle), uint64(BigInt(at)), string(piece))
      }
      if (like !== undefined) await this.#makeAlike(handle, like)
      if (this.extensions.has('fsync@openssh.com'))
        await this.#ask(SFTP.STATUS, SFTP.EXTENDED, string('fsync@openssh.com'), string(handle))
    } finally {
      await this.#close(handle)
    }
  }

  async replace(from: string, to: string): Promise<void> {
    await this.#ask(SFTP.STATUS, SFTP.EXTENDED, string('posix-rename@openssh.com'), string(from), string(to))
  }

  async remove(path: string): Promise<void> {
    await this.#ask(SFTP.STATUS, SFTP.REMOVE, string(path))
  }

  async makeFolder(path: string): Promise<void> {
    await this.#ask(SFTP.STATUS, SFTP.MKDIR, string(path), uint32(ATTRIBUTE.MODE), uint32(0o700))
  }

  close(): void {
    this.#over(new SftpLost('it was closed'))
  }

  async #open(path: string, flags: number, mode?: number): Promise<Buffer> {
    const attributes = mode === undefined ? [uint32(0)] : [uint32(ATTRIBUTE.MODE), uint32(mode)]
    const answer = await this.#ask(SFTP.HANDLE, SFTP.OPEN, string(path), uint32(flags), ...attributes)
    const handle = Buffer.from(answer.string())
    if (handle.length > MOST_HANDLE) throw new SftpLost('the target answers something else')
    return handle
  }

  async #close(handle: Buffer): Promise<void> {
    if (this.#lost === undefined) await this.#ask(SFTP.STATUS, SFTP.CLOSE, string(handle))
  }

  async #makeAlike(handle: Buffer, { uid, gid, mode }: Pick<Attributes, 'uid' | 'gid' | 'mode'>): Promise<void> {
    const made = attributesIn(await this.#ask(SFTP.ATTRS, SFTP.FSTAT, string(handle)))
    if (uid >= 0 && (made.uid !== uid || made.gid !== gid))
      await this.#ask(SFTP.STATUS, SFTP.FSETSTAT, string(handle), uint32(ATTRIBUTE.OWNER), uint32(uid), uint32(gid))
    await this.#ask(SFTP.STATUS, SFTP.FSETSTAT, string(handle), uint32(ATTRIBUTE.MODE), uint32(mode & 0o7777))
    const now = attributesIn(await this.#ask(SFTP.ATTRS, SFTP.FSTAT, string(handle)))
    if (!isAlike(now, { uid, gid, mode })) throw new SftpRefused(STATUS.OK, 'its owner, group or mode cannot be kept')
  }

  /** The fields behind the id of the answer that is wanted. Throws SftpRefused, SftpLost. */
  async #ask(wanted: number, type: number, ...fields: Buffer[]): Promise<WireReader> {
    const id = this.#next++
    const answer = await this.#answer(message(type, uint32(id), ...fields))
    const got = answer.byte()
    if (answer.uint32() !== id) throw new SftpLost('the target answers out of order')
    if (got === SFTP.STATUS) {
      const code = answer.uint32()
      if (wanted === SFTP.STATUS && code === STATUS.OK) return answer
      throw new SftpRefused(code, answer.atEnd ? `status ${code}` : plain(answer.utf8()).slice(0, 200))
    }
    if (got !== wanted) throw new SftpLost('the target answers something else')
    return answer
  }

  #answer(payload: Buffer): Promise<WireReader> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost)
    const { promise, resolve, reject } = Promise.withResolvers<WireReader>()
    this.#waiting = resolve
    this.#fail = reject
    this.#program!.write(string(payload))
    return promise
  }

  #hear(bytes: Buffer): void {
    const length = this.#bytes + bytes.length
    if (length > MOST_PACKET + 4) this.#over(new SftpLost('the target answers with too much'))
    if (this.#lost !== undefined) return
    if (length > this.#received.length) {
      const larger = Buffer.alloc(Math.max(length, 2 * this.#received.length))
      this.#received.copy(larger, 0, 0, this.#bytes)
      this.#received = larger
    }
    bytes.copy(this.#received, this.#bytes)
    this.#bytes = length
    const end = length < 4 ? 4 : 4 + this.#received.readUInt32BE(0)
    const waiting = this.#waiting
    if (end > MOST_PACKET + 4) this.#over(new SftpLost('the target answers with too much'))
    // One question at a time: nothing comes behind its answer.
    else if (waiting === undefined || length > end) this.#over(new SftpLost('the target answers what was not asked'))
    else if (length === end && length > 4) {
      this.#waiting = undefined
      this.#bytes = 0
      waiting(new WireReader(Buffer.from(this.#received.subarray(4, end))))
    }
  }

  #over(error: SftpLost): void {
    this.#lost ??= error
    this.#fail?.(this.#lost)
    this.#program?.destroy()
  }
}

function attributesIn(fields: WireReader): Attributes {
  const flags = fields.uint32()
  const size = flags & ATTRIBUTE.SIZE ? fields.uint64() : undefined
  // −1: it does not say.
  const [uid, gid] = flags & ATTRIBUTE.OWNER ? [fields.uint32(), fields.uint32()] : [-1, -1]
  return { size, uid, gid, mode: flags & ATTRIBUTE.MODE ? fields.uint32() : 0 }
}

/** Of owners alone where both are said. */
function isAlike(one: Omit<Attributes, 'size'>, other: Omit<Attributes, 'size'>): boolean {
  const sameOwner = one.uid < 0 || other.uid < 0 || (one.uid === other.uid && one.gid === other.gid)
  return sameOwner && one.mode === other.mode
}
