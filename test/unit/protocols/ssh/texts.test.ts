import t from 'tap'
import { plain, terminalLines } from '../../../../src/protocols/ssh/texts.ts'

t.test('nothing that a stranger sends can drive a terminal', async t => {
  t.equal(plain('\x1b[31mred\x07\u202e\x9b2J'), '?[31mred???2J')
  t.equal(plain('Grüße, 世界'), 'Grüße, 世界')
})

t.test('lines end as a raw terminal needs it, once', async t => {
  t.equal(terminalLines('one\ntwo\n\n'), 'one\r\ntwo\r\n')
})
