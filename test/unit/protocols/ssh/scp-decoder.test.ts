import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { fileTransferOf } from '../../../../src/protocols/ssh/capture/commands/file-transfer-command.ts'
import {
  locationOf,
  type ScpCommand,
  scpCommandOf,
} from '../../../../src/protocols/ssh/capture/commands/scp-command.ts'
import { readShellCommand } from '../../../../src/protocols/ssh/capture/commands/shell-words.ts'
import type { FileEvent } from '../../../../src/protocols/ssh/capture/files/file-event.ts'
import { ScpDecoder } from '../../../../src/protocols/ssh/capture/files/scp-decoder.ts'

const parseScpCommand = (command: string): ScpCommand | undefined => scpCommandOf(readShellCommand(command).words)
const plain = (...paths: string[]) => paths.map(text => ({ text, expands: false }))

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

/** Plays the sender's bytes in pieces; the receiver acknowledges each piece and says `last` in the end. */
function play(command: string, sent: string, size = 10_000, last = '\0'): FileEvent[] {
  const scp = parseScpCommand(command)!
  const events: FileEvent[] = []
  const decoder = new ScpDecoder(scp, event => events.push(event))
  const upload = scp.direction === 'upload'
  const bytes = Buffer.from(sent)
  for (let at = 0; at < bytes.length; at += size) {
    const piece = bytes.subarray(at, at + size)
    if (upload) decoder.fromClient(piece)
    else decoder.fromTarget(piece)
  }
  if (upload) decoder.fromTarget(Buffer.from(last))
  else decoder.fromClient(Buffer.from(last))
  decoder.end()
  return events
}

t.test('the commands that an scp client asks for are known, others are not', async t => {
  t.same(parseScpCommand('scp -t /tmp/x'), { direction: 'upload', paths: plain('/tmp/x'), intoFolder: false })
  t.same(parseScpCommand('scp -r -p -f -- a b'), { direction: 'download', paths: plain('a', 'b'), intoFolder: false })
  t.same(parseScpCommand('/usr/bin/scp -dt /srv/'), { direction: 'upload', paths: plain('/srv/'), intoFolder: true })
  t.same(parseScpCommand('scp -o A=t -lf -t x'), { direction: 'upload', paths: plain('x'), intoFolder: false })
  t.match(parseScpCommand('scp -tf x'), { direction: 'download' }, 'scp itself sends then')
  for (const command of ['scp /a /b', 'scpx -t /a', 'ls -t /a', 'scp -t', ''])
    t.equal(parseScpCommand(command), undefined)
})

t.test('a tree is told file by file, however the stream is cut', async t => {
  const sent = 'T1 0 1 0\nC0644 5 one\nhello\0D0755 0 sub\nC0600 0 empty\n\0E\nC0644 3 two\nabc\0'
  const expected = [
    { operation: 'upload', path: '/srv/one', bytes: 5, sha256: sha256('hello') },
    { operation: 'mkdir', path: '/srv/sub' },
    { operation: 'upload', path: '/srv/sub/empty', bytes: 0, sha256: sha256('') },
    { operation: 'upload', path: '/srv/two', bytes: 3, sha256: sha256('abc') },
  ]
  fc.assert(
    fc.property(fc.integer({ min: 1, max: sent.length }), size => {
      t.same(play('scp -r -d -t /srv', sent, size), expected)
    }),
    { numRuns: 20 },
  )
})

t.test('a download is named beside what was asked for', async t => {
  t.same(play('scp -f /etc/ho*', 'C0644 2 hosts\nhi\0'), [
    { operation: 'download', path: '/etc/hosts', bytes: 2, sha256: sha256('hi') },
  ])
})

t.test('an error of the receiver is told with the file, and no hash', async t => {
  t.same(play('scp -t /full', 'C0644 2 a\nhi\0', 100, '\x01scp: No space left\n'), [
    { operation: 'upload', path: '/full', name: 'a', bytes: 2, error: 'scp: No space left' },
  ])
})

t.test('a transfer that breaks off is told as not finished', async t => {
  t.same(play('scp -t /a', 'C0644 100 a\nhi', 100, ''), [
    { operation: 'upload', path: '/a', name: 'a', bytes: 2, error: 'not finished' },
  ])
})

t.test('any bytes at all are survived', async t => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 50 }), (sent, size) => {
      play('scp -t /a', sent, size)
      play('scp -f /a', sent, size)
    }),
  )
  t.match(play('scp -t /a', `C${'0'.repeat(10_000)}`), [{ error: /could not be read/ }])
})

t.test('folders in folders without end do not make paths without end', async t => {
  const events: FileEvent[] = []
  const decoder = new ScpDecoder(parseScpCommand('scp -r -t /srv')!, event => events.push(event))
  for (let i = 0; i < 1_000; i++) decoder.fromClient(Buffer.from(`D0755 0 ${'d'.repeat(200)}\n`))
  t.match(events.at(-1), { error: 'the scp stream could not be read from here on' })
  t.ok(events.every(event => event.path.length <= 4_096))
  t.ok(events.length <= 257)
})

t.test('a path is told as the shell of the target reads it', async t => {
  const uploaded = (path: string) =>
    play(`scp -t ${path}`, 'C0644 2 n\nhi\0').map(({ path, unexpanded }) => ({ path, unexpanded }))
  const plainly = (path: string) => [{ path, unexpanded: undefined }]
  t.same(uploaded("'/srv/two  blanks'"), plainly('/srv/two  blanks'))
  t.same(uploaded('"/srv/a b"'), plainly('/srv/a b'))
  t.same(uploaded('/srv/three\\ \\ \\ blanks'), plainly('/srv/three   blanks'))
  t.same(uploaded("'my dir/'"), plainly('my dir/n'))
  t.same(uploaded("'/srv/$HOME'"), plainly('/srv/$HOME'))
  t.same(uploaded('$HOME/x'), [{ path: '$HOME/x', unexpanded: true }])
  t.same(uploaded('~/x'), [{ path: '~/x', unexpanded: true }])
})

t.test('of several paths, and of patterns, the sender says which file it is', async t => {
  const sent = 'C0644 2 hosts\nhi\0'
  const downloaded = (paths: string) =>
    play(`scp -f ${paths}`, sent).map(({ path, name, unexpanded }) => ({ path, name, unexpanded }))
  const surely = (path: string) => [{ path, name: undefined, unexpanded: undefined }]
  const perhaps = (path: string, unexpanded?: true) => [{ path, name: 'hosts', unexpanded }]
  t.same(downloaded("/etc/other '/srv/my dir/hosts'"), surely('/srv/my dir/hosts'))
  t.same(downloaded('/etc/h?sts'), surely('/etc/hosts'))
  t.same(downloaded('/etc/other /srv/h*'), surely('/srv/hosts'))
  t.same(downloaded('/etc/p* /srv/hosts'), surely('/srv/hosts'))
  t.same(downloaded('/e*c/hosts'), perhaps('/e*c/hosts', true))
  t.same(downloaded('$X'), perhaps('$X', true))
  t.same(downloaded('/etc/h* /srv/h*'), perhaps('/etc/h* /srv/h*', true))
  t.same(downloaded('/etc/h* /srv/hosts'), perhaps('/etc/h* /srv/hosts', true))
  t.same(downloaded('/etc/hosts /srv/hosts'), perhaps('/etc/hosts /srv/hosts'))
  // What the target sends is not what it was asked for.
  t.same(downloaded('/etc/motd'), perhaps('/etc/motd'))
})

const placed = (command: string, folders: string[], name: string) =>
  locationOf(fileTransferOf(command)!.scp!, folders, name)

t.test('of an upload to what may be a folder or the file itself, both the path and the name are told', async t => {
  t.same(placed('scp -t dir', [], 'f'), { path: 'dir', name: 'f' })
  t.same(placed('scp -t "/srv/my dir"', [], 'f'), { path: '/srv/my dir', name: 'f' })
  t.same(placed('scp -t ~', [], 'f'), { path: '~', name: 'f', unexpanded: true })
  t.same(placed('scp -r -t dir', ['tree'], ''), { path: 'dir', name: 'tree' })
  t.same(placed('scp -r -t dir', ['tree', 'deep'], 'f'), { path: 'dir', name: 'tree/deep/f' })
  t.same(placed('scp -r -t dir/', ['tree'], ''), { path: 'dir/', name: 'tree' })
})

t.test('where scp takes nothing but a folder, the name is in it', async t => {
  t.same(placed('scp -d -t dir', [], 'f'), { path: 'dir/f' })
  t.same(placed('scp -r -d -t dir', ['tree'], 'f'), { path: 'dir/tree/f' })
  t.same(placed('scp -t dir/', [], 'f'), { path: 'dir/f' })
  t.same(placed('scp -t .', [], 'f'), { path: 'f' })
  t.same(placed('scp -r -t a/..', ['tree'], 'f'), { path: 'a/../tree/f' })
})

t.test('a name that no folder can hold is told as it was sent, and leads nowhere else', async t => {
  for (const name of ['../f', '..', '/etc/passwd']) {
    t.same(placed('scp -t dir/', [], name), { path: 'dir/', name })
    t.same(placed('scp -f dir/*', [], name), { path: 'dir/*', name, unexpanded: true })
    t.same(placed('scp -f dir/f', [], name), { path: 'dir/f', name })
  }
})

t.test('of a folder that was asked for, the sender says what is in it', async t => {
  for (const folder of ['dir', 'dir/', '.', '..', 'dir/..']) {
    const last = folder.replace(/\/$/, '').split('/').at(-1)!
    const path = folder === '.' ? 'deep/f' : `${folder.replace(/\/$/, '')}/deep/f`
    t.same(placed(`scp -r -f ${folder}`, [last, 'deep'], 'f'), { path }, folder)
  }
  t.same(placed('scp -r -f d*', ['dir', 'deep'], 'f'), { path: 'dir/deep/f' })
})

t.test('a stream that is none of scp is told as lost, once', async t => {
  let lost = 0
  const decoder = new ScpDecoder(
    parseScpCommand('scp -t /srv')!,
    () => undefined,
    () => lost++,
  )
  decoder.fromClient(Buffer.from('rm -rf /\n'))
  decoder.fromClient(Buffer.from('rm -rf /\n'))
  t.equal(lost, 1)
})

t.test('a long command makes no long events of short messages', async t => {
  const size = (events: FileEvent[]) => JSON.stringify(events).length
  const path = 'a'.repeat(200_000)
  t.ok(size(play(`scp -t ${path}`, '\x01\n'.repeat(1_000))) < 500_000)
  t.ok(size(play(`scp -t ${path}`, 'C0644 0 a\n\0')) < 10_000)
  const words = 'a '.repeat(50_000)
  const files = play(`scp -f ${words}`, 'C0644 0 a\n\0'.repeat(1_000))
  t.equal(files.length, 1_000)
  t.match(files[0], { path: words.slice(0, 4_095), name: 'a' })
})
