import t from 'tap'
import { AskedFiles, answered } from '../../../../src/protocols/ssh/capture/files/asked-files.ts'
import type { FactEvent } from '../../../../src/recording/format/events.ts'

t.test(
  'what has its answer in time is told once; what takes longer is told as asked, and its answer says so',
  async t => {
    const facts: FactEvent[] = []
    const files = new AskedFiles(3, fact => facts.push(fact))
    const ask = files.by('sftp')
    const quick = ask({ operation: 'remove', path: '/quick' })
    t.same(answered(quick, quick.event), { operation: 'remove', path: '/quick' })
    const slow = ask({ operation: 'upload', path: '/slow' })
    const slower = ask({ operation: 'mkdir', path: '/slower' })
    files.tell()
    const of = { type: 'file', channel: 3, via: 'sftp' } as const
    t.same(facts, [
      { type: 'asked', number: 1, of: { ...of, operation: 'upload', path: '/slow' } },
      { type: 'asked', number: 2, of: { ...of, operation: 'mkdir', path: '/slower' } },
    ])
    t.same(answered(slower, slower.event), { operation: 'mkdir', path: '/slower', asked: 2 })
    t.same(answered(slow, { ...slow.event, bytes: 5 }), { operation: 'upload', path: '/slow', bytes: 5, asked: 1 })
    files.tell()
    t.equal(facts.length, 2, 'told once')
  },
)

t.test('what is asked is told by itself after a while', async t => {
  const told = Promise.withResolvers<FactEvent>()
  const ask = new AskedFiles(0, told.resolve).by('scp')
  ask({ operation: 'download', path: '/etc/passwd' })
  // The timer alone does not keep a process alive.
  const alive = setInterval(() => undefined, 1000)
  t.match(await told.promise, { type: 'asked', of: { via: 'scp', path: '/etc/passwd' } })
  clearInterval(alive)
})
