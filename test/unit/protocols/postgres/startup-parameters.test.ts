import t from 'tap'
import { parseOptions, readStartupOptions } from '../../../../src/protocols/postgres/target-side/startup-parameters.ts'

t.test('settings that clients really send pass, user and database aside', async t => {
  const { settings, replication } = readStartupOptions(
    new Map([
      ['user', 'alice'],
      ['database', 'shop'],
      ['application_name', 'psql'],
      ['client_encoding', 'UTF8'],
      ['DateStyle', 'ISO'],
      ['TimeZone', 'Europe/Zurich'],
      ['extra_float_digits', '2'],
      ['options', '-c search_path=shop\\ front -cstatement_timeout=5s --lock-timeout=1s'],
    ]),
  )
  t.same(Object.fromEntries(settings), {
    application_name: 'psql',
    client_encoding: 'UTF8',
    DateStyle: 'ISO',
    TimeZone: 'Europe/Zurich',
    extra_float_digits: '2',
    search_path: 'shop front',
    statement_timeout: '5s',
    lock_timeout: '1s',
  })
  t.equal(replication, undefined)
})

t.test('a setting that is not on the list is refused by name', async t => {
  for (const parameters of [
    new Map([['session_preload_libraries', 'evil']]),
    new Map([['options', '-c standard_conforming_strings=off']]),
    new Map([['options', '-c log_statement=none']]),
  ]) {
    t.throws(() => readStartupOptions(parameters), { code: 'CHANNEL_DENIED', message: /is not passed on/ })
  }
})

t.test('of the switches only settings pass', async t => {
  for (const options of ['-d 5', '-f', '-c', '-c novalue', '--single', 'word', '-W 3']) {
    t.throws(() => parseOptions(options), { code: 'CHANNEL_DENIED' })
  }
  t.same(parseOptions(''), [])
})

t.test('replication is a wish of its own, and its "no" is none', async t => {
  t.equal(readStartupOptions(new Map([['replication', 'database']])).replication, 'database')
  t.equal(readStartupOptions(new Map([['replication', 'true']])).replication, 'true')
  t.equal(readStartupOptions(new Map([['replication', 'off']])).replication, undefined)
})
