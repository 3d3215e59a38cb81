import { Writable } from 'node:stream'
import { pino } from 'pino'
import pretty from 'pino-pretty'
import t from 'tap'
import { escapeLine } from '../../../src/shared/log-destination.ts'

t.test('a log that people read on a terminal is not led by what strangers wrote into it', async t => {
  let printed = ''
  const destination = new Writable({
    write(chunk, _encoding, done) {
      printed += chunk
      done()
    },
  })
  const people = pretty({ colorize: false, singleLine: true, sync: true, destination })
  const log = pino({ base: null }, { write: line => people.write(escapeLine(line)) })
  const hostile = 'a\x1b]52;c;eA==\x07b\u202ec\u009b2Jd\u200be'
  log.info({ login: hostile, err: new Error(`${hostile}\nsecond line`), list: [hostile] }, `said ${hostile}`)
  t.match(printed, /⟨U\+001B⟩.*⟨U\+202E⟩/)
  t.match(printed, 'second line')
  t.notMatch(printed, /[\p{Cf}]|(?!\n)\p{Cc}/u)
})
