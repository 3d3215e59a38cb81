/** Warnings come once each, whatever the clock does, and a moved end has its own. */

import t from 'tap'
import { Deadline } from '../../../../src/session/live/deadline.ts'
import { movedWords, warningWords } from '../../../../src/session/live/end-words.ts'
import { grantFor } from '../../../support/identity-parts.ts'

const MINUTE = 60_000
const at = (time: number, elapsed = time) => ({ time, elapsed })
const endAt = (endsAt: number) => ({ endsAt, endsBy: 'request' }) as const

t.test('five minutes and one minute before, once each', async t => {
  const deadline = new Deadline(endAt(60 * MINUTE), at(0))
  const warned = []
  for (let time = 0; time <= 61 * MINUTE; time += 1000) if (deadline.warns(at(time))) warned.push(time / MINUTE)
  t.same(warned, [55, 59])
})

t.test('a short session is warned of what makes sense', async t => {
  const three = new Deadline(endAt(3 * MINUTE), at(0))
  t.notOk(three.warns(at(0)))
  t.ok(three.warns(at(2 * MINUTE)))
  const halfMinute = new Deadline(endAt(MINUTE / 2), at(0))
  t.notOk(halfMinute.warns(at(MINUTE / 4)))
})

t.test('a clock that jumps to the last minute brings one warning, and none comes when it is over', async t => {
  const deadline = new Deadline(endAt(60 * MINUTE), at(0))
  t.ok(deadline.warns(at(59.5 * MINUTE, 1000)))
  t.notOk(deadline.warns(at(59.6 * MINUTE, 2000)))
  t.notOk(new Deadline(endAt(60 * MINUTE), at(0)).warns(at(60 * MINUTE)))
})

t.test('an end that is moved is warned of anew, and by as much as it was moved', async t => {
  const deadline = new Deadline(endAt(60 * MINUTE), at(0))
  t.ok(deadline.warns(at(55 * MINUTE)))
  t.notOk(deadline.move(endAt(60 * MINUTE + 900), at(56 * MINUTE)), 'not at all')
  t.ok(deadline.move(endAt(120 * MINUTE), at(56 * MINUTE)))
  t.equal(deadline.leftMs(at(56 * MINUTE)), 64 * MINUTE)
  t.ok(deadline.warns(at(115 * MINUTE)))
  t.ok(deadline.warns(at(119 * MINUTE)))
  t.ok(deadline.move(endAt(119 * MINUTE + 10_000), at(119 * MINUTE)), 'shorter')
  t.notOk(deadline.warns(at(119 * MINUTE)), 'told by the move itself')
})

t.test('a clock that was set back before the end was moved makes it no longer', async t => {
  const deadline = new Deadline(endAt(60 * MINUTE), at(0))
  deadline.move(endAt(90 * MINUTE), at(-600 * MINUTE, 30 * MINUTE))
  t.equal(deadline.leftMs(at(-600 * MINUTE, 30 * MINUTE)), 60 * MINUTE)
})

t.test('the words say what ends, when, why, and how there is more', async t => {
  const grant = { ...grantFor({ endsAt: 0 }).terms, request: 'req_1' }
  const now = Date.parse('2026-11-28T14:00:21Z')
  const more = 'ssh alice@gateway request extend req_1 --reason "\'...\'"'
  const { text, short } = warningWords(grant, { ...endAt(0), more }, now, 5 * MINUTE - 400)
  t.equal(
    text,
    `Sallyport: this session on root@web-01 ends at 14:05:20 UTC, in 5 minutes, when the access that req_1 gives is over.\nFor more time: ${more}`,
  )
  t.equal(short, 'Sallyport: ends at 14:05:20 UTC, in 5 minutes')
  t.match(warningWords(grant, endAt(0), now, 59_300).text, /in 1 minute, .*is over\.$/)
  t.match(warningWords(grant, endAt(0), now, 31_000).text, /in 31 seconds/)
  t.match(warningWords(grant, { endsAt: 0, endsBy: 'maximum-time' }, now, MINUTE).text, /log in again/)
  t.match(
    movedWords(grant, { endsAt: 0, endsBy: 'hours' }, now, 135 * MINUTE).text,
    /now ends .*in 2 hours 15 minutes, .*hours/,
  )
})
