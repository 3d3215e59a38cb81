/** Which processes of a host's list are left of a session that is over. */

import t from 'tap'
import { elapsedMs, readProcessList, remainsIn } from '../../../../src/protocols/ssh/target-side/process-list.ts'

const PAST = { session: 'ses_1', startedAgoMs: 100_000, endedAgoMs: 20_000, atTarget: {} }

/** The server, a connection that asks, and whatever else: `pid parent uid age name`. */
const list = (...more: string[]) =>
  readProcessList(
    [
      'self 90 1000',
      '1 0 0 9-00:00:00 systemd',
      '10 1 0 8-00:00:00 sshd',
      '80 10 0 00:01 sshd',
      '81 80 1000 00:01 sshd',
    ]
      .concat('90 81 1000 00:00 sh', '91 90 1000 00:00 ps', more, 'all')
      .join('\n'),
  )!

const left = (...more: string[]) => {
  const remains = remainsIn(list(...more))(PAST, [])
  return remains.is === 'seen' ? [remains.connection, ...remains.left.map(({ what }) => what)] : remains.words
}

t.test('nothing of the question itself is left', async t => t.same(left(), ['gone']))

t.test('what runs on in the background is left, where it began while the session was open', async t => {
  t.same(left('50 1 1000 01:00 sleep', '51 50 1000 00:58 tail'), ['gone', 'sleep', 'tail'])
  t.same(left('50 1 1000 05:00 older', '51 1 1000 00:05 younger', '52 1 1001 01:00 of-others'), ['gone'])
})

t.test('what is below the connection of the session is left, and below those of others it is theirs', async t => {
  const connection = ['40 10 0 01:40 sshd-session', '41 40 1000 01:40 sshd-session', '42 41 1000 01:30 bash']
  t.same(left(...connection), ['open', 'bash'])
  t.same(left(...connection.map(line => line.replace('40 10 0 01:40', '40 10 0 01:10'))), ['gone'])
  const ambiguous = remainsIn(list(...connection))(PAST, [100_500])
  t.match(ambiguous, { is: 'seen', connection: 'unknown', left: [] })
})

t.test(
  'who has become somebody else in the session is seen by who began it, and by the login that the kernel knows',
  async t => {
    t.same(left('50 1 0 1000 01:00 su', '51 50 0 0 00:58 bash'), ['gone', 'su'])
    t.same(left('login 51', 'login 80', 'login 81', '50 1 0 1000 01:00 su', '51 50 0 0 00:58 bash'), [
      'gone',
      'su',
      'bash',
    ])
    const connection = ['login 40', 'login 43', '40 10 0 0 01:40 sshd-session', '41 40 1000 1000 01:40 sshd-session']
    t.same(left(...connection, '42 41 0 1000 01:30 sudo', '43 42 0 0 01:20 bash'), ['open', 'sudo', 'bash'])
    t.same(left('login 53', '52 1 1001 1001 01:00 of-others', '53 1 0 0 05:00 older'), ['gone'])
    const others = connection.map(line => line.replaceAll('01:40', '01:10'))
    t.same(left(...others, '42 41 0 1000 01:00 su', '43 42 0 0 00:58 bash'), ['gone'], 'of a session that is open')
  },
)

t.test('what the system runs for root is not of a login as root', async t => {
  const system = '1 0 0 0 9-00:00:00 systemd\n10 1 0 0 8-00:00:00 sshd\n80 10 0 0 00:01 sshd\n90 80 0 0 00:00 sh'
  const seen = remainsIn(readProcessList(`self 90 0\nlogin 50\n${system}\n50 1 33 0 01:00 www\nall`)!)(PAST, [])
  t.match(seen, { is: 'seen', left: [] })
})

t.test('no name hides a process', async t => {
  t.same(left('50 1 1000 01:00 sshd'), ['gone', 'sshd'])
  t.same(left('50 1 1000 01:30 sshd', '51 50 1000 01:00 sleep'), ['gone', 'sshd', 'sleep'])
  t.same(left('50 1 1000 01:00 \u001b[2Jx'), ['gone', '\\e[2Jx'])
  t.same(left('50 1 1000 01:00 ', '51 1 1000 01:00', '52 1 1000 01:00    '), [
    'gone',
    ...Array(3).fill('without a name'),
  ])
})

t.test('where a host hides its server from the login, its connections are not known to be gone', async t => {
  const hidden = readProcessList('self 90 1000\n81 80 1000 00:01 sshd\n90 81 1000 00:00 sh\nall')!
  t.match(remainsIn(hidden)(PAST, []), { connection: 'unknown', left: [] })
  const otherServer = '1 0 0 9-00:00:00 init\n80 1 0 00:01 dropbear\n90 80 1000 00:00 sh\n50 1 0 01:40 dropbear'
  t.match(remainsIn(readProcessList(`self 90 1000\n${otherServer}\nall`)!)(PAST, []), { connection: 'unknown' })
})

t.test('of root, a connection that only forwards is seen, and threads of the kernel are nobody’s', async t => {
  const server = '1 0 0 9-00:00:00 systemd\n2 0 0 9-00:00:00 kthreadd\n10 1 0 8-00:00:00 sshd'
  const of = (...more: string[]) =>
    remainsIn(
      readProcessList(['self 90 0', server, '80 10 0 00:01 sshd', '90 80 0 00:00 sh', ...more, 'all'].join('\n'))!,
    )(PAST, [])
  t.match(of('60 2 0 01:00 kworker/0:1'), { connection: 'gone', left: [] })
  t.match(of('40 10 0 01:40 sshd'), { connection: 'open' })
  t.match(of('40 10 0 01:40 sshd', '41 40 1000 01:40 sshd'), { connection: 'gone' }, 'that of somebody else')
  t.match(of('60 3 0 01:00 kworker/0:1'), { left: [{ what: 'kworker/0:1' }] }, 'a name alone is none')
})

t.test(
  'a host that claims more processes than there can be, or each below the next, is not looked at for long',
  async t => {
    const deep = Array.from({ length: 49_000 }, (_, at) => `${at + 100} ${at + 101} 1000 01:00 x`)
    const seen = remainsIn(list(...deep))
    for (let session = 0; session < 20; session++) t.match(seen(PAST, []), { connection: 'gone' })
    t.equal(readProcessList(['self 90 1000', '90 1 1000 00:00 sh', ...deep, ...deep, 'all'].join('\n')), undefined)
  },
)

t.test('what is no whole list is none', async t => {
  t.equal(readProcessList('self 90 1000\n90 1 1000 00:00 sh'), undefined, 'cut')
  t.equal(readProcessList('self 90 1000\n91 1 1000 00:00 ps\nall'), undefined, 'without the one who asks')
  t.equal(readProcessList('ps: unrecognized option'), undefined)
  t.equal(
    readProcessList('self 90 1000\n90 1 1000 00:00 sh\n50 1 1000 - sleep\nall'),
    undefined,
    'with what cannot be read',
  )
  t.same(['00:07', '01:02:03', '2-01:02:03', 'ELAPSED'].map(elapsedMs), [7000, 3_723_000, 176_523_000, undefined])
})
