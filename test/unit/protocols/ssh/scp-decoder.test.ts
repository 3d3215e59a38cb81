import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { type ScpCommand, scpCommandOf } from '../../../../src/protocols/ssh/scp-command.ts'
import { ScpDecoder } from '../../../../src/protocols/ssh/scp-decoder.ts'
import type { FileEvent } from '../../../../src/protocols/ssh/sftp-decoder.ts'
import { readShellCommand } from '../../../../src/protocols/ssh/shell-words.ts'

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
  t.same(parseScpCommand('scp -r -p -f -- a b'), { direction: 'download', paths: plain('a', 'b'), intoFolder: true })
  t.same(parseScpCommand('/usr/bin/scp -dt /srv/'), { direction: 'upload', paths: plain('/srv/'), intoFolder: true })
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
      t.same(play('scp -r -t /srv', sent, size), expected)
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
    { operation: 'upload', path: '/full', bytes: 2, error: 'scp: No space left' },
  ])
})

t.test('a transfer that breaks off is told as not finished', async t => {
  t.same(play('scp -t /a', 'C0644 100 a\nhi', 100, ''), [
    { operation: 'upload', path: '/a', bytes: 2, error: 'not finished' },
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
    play(`scp -f ${paths}`, sent).map(({ path, unexpanded }) => ({ path, unexpanded }))
  t.same(downloaded("/etc/other '/srv/my dir/hosts'"), [{ path: '/srv/my dir/hosts', unexpanded: undefined }])
  t.same(downloaded('/etc/h?sts'), [{ path: '/etc/hosts', unexpanded: undefined }])
  t.same(downloaded('/etc/other /srv/h*'), [{ path: '/srv/hosts', unexpanded: undefined }])
  t.same(downloaded('/e*c/hosts'), [{ path: '/e*c/hosts', unexpanded: true }])
  t.same(downloaded('$X'), [{ path: 'hosts', unexpanded: true }])
  t.same(downloaded('/etc/h* /srv/h*'), [{ path: 'hosts', unexpanded: true }])
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
