import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import type { FileEvent } from '../../../../src/protocols/ssh/capture/files/file-event.ts'
import { SftpDecoder } from '../../../../src/protocols/ssh/capture/files/sftp-decoder.ts'
import { string, uint32 } from '../../../../src/shared/ssh-encoding/wire.ts'

const uint64 = (value: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}
const packet = (type: number, ...fields: Uint8Array[]) => string(Buffer.concat([Buffer.from([type]), ...fields]))
const open = (id: number, path: string, flags: number) => packet(3, uint32(id), string(path), uint32(flags), uint32(0))
const write = (id: number, handle: string, offset: number, data: Uint8Array) =>
  packet(6, uint32(id), string(handle), uint64(offset), string(data))
const read = (id: number, handle: string, offset: number, length: number) =>
  packet(5, uint32(id), string(handle), uint64(offset), uint32(length))
const close = (id: number, handle: string) => packet(4, uint32(id), string(handle))
const status = (id: number, code: number) => packet(101, uint32(id), uint32(code), string(''), string(''))
const handle = (id: number, name: string) => packet(102, uint32(id), string(name))
const data = (id: number, bytes: Uint8Array) => packet(103, uint32(id), string(bytes))
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

const LOST = { operation: 'list', path: '', error: 'the SFTP stream could not be read from here on' }

type Turn = ['client' | 'target', Buffer]

/** Plays the turns, each cut into pieces of `size`. */
function play(turns: Turn[], size = Number.POSITIVE_INFINITY): FileEvent[] {
  const events: FileEvent[] = []
  const decoder = new SftpDecoder(event => events.push(event))
  for (const [side, bytes] of turns) {
    for (let at = 0; at < bytes.length; at += size) {
      const piece = bytes.subarray(at, at + size)
      if (side === 'client') decoder.fromClient(piece)
      else decoder.fromTarget(piece)
    }
  }
  decoder.end()
  return events
}

const HALF = Buffer.alloc(40_000, 'a')
const REST = Buffer.alloc(123, 'b')
const WHOLE = Buffer.concat([HALF, REST])

t.test('an upload and a download are told the same, however the stream is cut', async t => {
  const turns: Turn[] = [
    ['client', open(1, '/srv/up', 0x1a)],
    ['target', handle(1, 'h1')],
    ['client', Buffer.concat([write(2, 'h1', 0, HALF), write(3, 'h1', 40_000, REST)])],
    ['target', Buffer.concat([status(2, 0), status(3, 0)])],
    ['client', close(4, 'h1')],
    ['target', status(4, 0)],
    ['client', open(5, '/srv/down', 1)],
    ['target', handle(5, 'h2')],
    ['client', Buffer.concat([read(6, 'h2', 0, 40_000), read(7, 'h2', 40_000, 40_000), read(8, 'h2', 40_123, 1)])],
    ['target', Buffer.concat([data(6, HALF), data(7, REST), status(8, 1)])],
    ['client', close(9, 'h2')],
    ['target', status(9, 0)],
  ]
  const expected = [
    { operation: 'upload', path: '/srv/up', bytes: 40_123, sha256: sha256(WHOLE) },
    { operation: 'download', path: '/srv/down', bytes: 40_123, sha256: sha256(WHOLE) },
  ]
  t.same(play(turns), expected)
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 70_000 }),
      size => JSON.stringify(play(turns, size)) === JSON.stringify(expected),
    ),
    { numRuns: 30 },
  )
})

t.test('bytes out of order have a count and no hash', async t => {
  const events = play([
    ['client', open(1, '/f', 2)],
    ['target', handle(1, 'h')],
    ['client', Buffer.concat([write(2, 'h', 10, REST), write(3, 'h', 0, REST), close(4, 'h')])],
    ['target', Buffer.concat([status(2, 0), status(3, 0), status(4, 0)])],
  ])
  t.same(events, [{ operation: 'upload', path: '/f', bytes: 246 }])
})

t.test('a write that the target refuses spoils the hash and names the error', async t => {
  const events = play([
    ['client', open(1, '/f', 2)],
    ['target', handle(1, 'h')],
    ['client', Buffer.concat([write(2, 'h', 0, REST), close(4, 'h')])],
    ['target', Buffer.concat([status(2, 4), status(4, 0)])],
  ])
  t.same(events, [{ operation: 'upload', path: '/f', bytes: 123, error: 'failure' }])
})

t.test('what is not finished when the channel ends is told as such', async t => {
  const events = play([
    ['client', open(1, '/f', 2)],
    ['target', handle(1, 'h')],
    ['client', write(2, 'h', 0, REST)],
  ])
  t.same(events, [{ operation: 'upload', path: '/f', bytes: 123, error: 'not finished' }])
})

t.test('changes are told with their answer', async t => {
  const events = play([
    ['client', packet(18, uint32(1), string('/a'), string('/b'))],
    ['client', packet(13, uint32(2), string('/c'))],
    ['client', packet(200, uint32(3), string('posix-rename@openssh.com'), string('/d'), string('/e'))],
    ['client', packet(20, uint32(4), string('/points-to'), string('/link'))],
    ['target', Buffer.concat([status(1, 0), status(2, 3), status(3, 0), status(4, 0)])],
    ['client', open(5, '/secret', 1)],
    ['target', status(5, 3)],
  ])
  t.same(events, [
    { operation: 'rename', path: '/a', to: '/b' },
    { operation: 'remove', path: '/c', error: 'permission denied' },
    { operation: 'rename', path: '/d', to: '/e' },
    { operation: 'symlink', path: '/link', to: '/points-to' },
    { operation: 'download', path: '/secret', error: 'permission denied' },
  ])
})

t.test('any bytes at all are survived, in bounded memory, and the loss is told once', async t => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.uint8Array({ maxLength: 200 })), { maxLength: 20 }), pieces => {
      const turns = pieces.map(([client, bytes]): Turn => [client ? 'client' : 'target', Buffer.from(bytes)])
      return play(turns).filter(event => event.error?.includes('could not be read')).length <= 1
    }),
  )
  const huge = Buffer.concat([uint32(0xffffffff), Buffer.from([13])])
  t.match(play([['client', huge]]), [LOST], 'a length that no server takes is not waited for')
})

/** What a client could send so that one thing is recorded and another done: what a server makes of it stands behind each. */
const CONFUSIONS: Record<string, Turn[]> = {
  'two requests of one number: the first answer is the first file': [
    ['client', Buffer.concat([open(1, '/etc/shadow', 1), open(1, '/tmp/innocent', 1)])],
    ['target', Buffer.concat([handle(1, 'h1'), handle(1, 'h2')])],
  ],
  'a packet that goes on behind its data: what is behind is not written': [
    ['client', open(1, '/srv/up', 0x1a)],
    ['target', handle(1, 'h1')],
    ['client', packet(6, uint32(2), string('h1'), uint64(0), string('evil'), Buffer.from(' and more'))],
  ],
  'a guessed handle, used before it is given: it is written': [
    ['client', Buffer.concat([open(1, '/srv/up', 0x1a), write(2, 'h1', 0, Buffer.from('evil'))])],
    ['target', Buffer.concat([handle(1, 'h1'), status(2, 0)])],
  ],
  'a request with rubbish behind it: it is done': [
    ['client', packet(13, uint32(1), string('/srv/log'), Buffer.alloc(70_000))],
  ],
  'more requests without answers than anyone has': [
    ['client', Buffer.concat(Array.from({ length: 4_097 }, (_, id) => packet(13, uint32(id), string('/nowhere'))))],
  ],
}
for (const [what, turns] of Object.entries(CONFUSIONS)) {
  t.test(`${what}, so it is not guessed at`, async t => {
    t.match(play(turns).at(-1), LOST)
  })
}

t.test('what is written behind the close of a file is not part of it', async t => {
  const events = play([
    ['client', open(1, '/srv/up', 0x1a)],
    ['target', handle(1, 'h1')],
    ['client', Buffer.concat([write(2, 'h1', 0, REST), close(3, 'h1'), write(4, 'h1', REST.length, HALF)])],
    ['target', Buffer.concat([status(2, 0), status(3, 0), status(4, 4)])],
  ])
  t.match(events, [{ path: '/srv/up', bytes: REST.length, sha256: undefined, error: 'not finished' }, LOST])
})

t.test('whoever decodes is told when there is nothing more to decode', async t => {
  let lost = 0
  const decoder = new SftpDecoder(
    () => undefined,
    () => lost++,
  )
  decoder.fromTarget(Buffer.from('root@box:~# '))
  decoder.fromTarget(Buffer.from('root@box:~# '))
  t.equal(lost, 1)
})

t.test('a shell behind what looks like a listing without end is not passed over', async t => {
  t.match(play([['target', Buffer.from('AAAAh and then root@box:~# ')]]).at(-1), LOST)
})

const extended = (id: number, name: string, ...fields: Uint8Array[]) => packet(200, uint32(id), string(name), ...fields)

t.test('a copy on the target is told from where to where, and is neither a download nor an upload', async t => {
  const copy = (id: number, length: number) =>
    extended(id, 'copy-data', string('h1'), uint64(0), uint64(length), string('h2'), uint64(0))
  for (const [length, told] of [
    [0, {}],
    [123, { bytes: 123 }],
  ] as const) {
    const events = play([
      ['client', Buffer.concat([open(1, '/from', 1), open(2, '/to', 0x1a)])],
      ['target', Buffer.concat([handle(1, 'h1'), handle(2, 'h2')])],
      ['client', Buffer.concat([copy(3, length), close(4, 'h1'), close(5, 'h2')])],
      ['target', Buffer.concat([status(3, 0), status(4, 0), status(5, 0)])],
    ])
    t.same(events, [{ operation: 'copy', path: '/from', to: '/to', ...told }])
  }
})

t.test('a copy that fails says so, and what was written besides is told without a hash', async t => {
  const events = play([
    ['client', Buffer.concat([open(1, '/from', 1), open(2, '/to', 0x1a)])],
    ['target', Buffer.concat([handle(1, 'h1'), handle(2, 'h2')])],
    ['client', extended(3, 'copy-data', string('h1'), uint64(0), uint64(0), string('h2'), uint64(0))],
    ['target', status(3, 4)],
    ['client', Buffer.concat([write(6, 'h2', 0, REST), close(4, 'h1'), close(5, 'h2')])],
    ['target', Buffer.concat([status(6, 0), status(4, 0), status(5, 0)])],
  ])
  t.same(events, [
    { operation: 'copy', path: '/from', to: '/to', error: 'failure' },
    { operation: 'upload', path: '/to', bytes: 123 },
  ])
})

t.test('other extensions that move or change something are told by what they do', async t => {
  const events = play([
    [
      'client',
      Buffer.concat([
        extended(1, 'posix-rename@openssh.com', string('/a'), string('/b')),
        extended(2, 'hardlink@openssh.com', string('/b'), string('/c')),
        extended(3, 'lsetstat@openssh.com', string('/c'), uint32(0)),
        extended(4, 'copy-file', string('/c'), string('/d'), Buffer.from([1])),
      ]),
    ],
    ['target', Buffer.concat([status(1, 0), status(2, 0), status(3, 0), status(4, 3)])],
  ])
  t.same(events, [
    { operation: 'rename', path: '/a', to: '/b' },
    { operation: 'link', path: '/b', to: '/c' },
    { operation: 'setstat', path: '/c' },
    { operation: 'copy', path: '/c', to: '/d', error: 'permission denied' },
  ])
})

t.test('questions are not told, extensions that nobody here knows are told by their name', async t => {
  const reply = (id: number) => packet(201, uint32(id), string('whatever'))
  const events = play([
    [
      'client',
      Buffer.concat([
        extended(1, 'statvfs@openssh.com', string('/')),
        extended(2, 'limits@openssh.com'),
        extended(3, 'expand-path@openssh.com', string('~')),
        extended(4, 'home-directory', string('alice')),
        extended(5, 'users-groups-by-id@openssh.com', string(''), string('')),
        extended(6, 'fsync@openssh.com', string('h')),
        extended(7, 'move-everything@example.com', string('/a')),
        extended(8, 'check-file-name', string('/a')),
        extended(9, 'x'.repeat(1000)),
      ]),
    ],
    ['target', Buffer.concat([reply(1), reply(2), packet(104, uint32(3), uint32(0)), reply(5), status(6, 0)])],
    ['target', Buffer.concat([status(7, 0), reply(8), status(9, 8)])],
  ])
  t.same(events, [
    { operation: 'extension', path: 'move-everything@example.com' },
    { operation: 'extension', path: 'check-file-name' },
    { operation: 'extension', path: 'x'.repeat(100), error: 'operation not supported' },
  ])
})

t.test('a file that is opened and not read is no download, an empty one that is read is', async t => {
  const events = play([
    ['client', Buffer.concat([open(1, '/looked-at', 1), open(2, '/empty', 1)])],
    ['target', Buffer.concat([handle(1, 'h1'), handle(2, 'h2')])],
    ['client', Buffer.concat([read(3, 'h2', 0, 10), close(4, 'h1'), close(5, 'h2')])],
    ['target', Buffer.concat([status(3, 1), status(4, 0), status(5, 0)])],
  ])
  t.same(events, [{ operation: 'download', path: '/empty', bytes: 0, sha256: sha256(Buffer.alloc(0)) }])
})

t.test('a server that speaks another version is not read as if it did not', async t => {
  const version = (number: number) => packet(2, uint32(number))
  t.same(play([['target', version(3)]]), [])
  t.same(play([['target', version(6)]]), [LOST])
})
