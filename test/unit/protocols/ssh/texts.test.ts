import fc from 'fast-check'
import t from 'tap'
import { plain, recordedText, terminalLines } from '../../../../src/protocols/ssh/transport/texts.ts'

t.test('nothing that a stranger sends can drive a terminal', async t => {
  t.equal(plain('\x1b[31mred\x07\u202e\x9b2J'), '?[31mred???2J')
  t.equal(plain('Grüße, 世界'), 'Grüße, 世界')
})

t.test('lines end as a raw terminal needs it, once', async t => {
  t.equal(terminalLines('one\ntwo\n\n'), 'one\r\ntwo\r\n')
})

t.test('what is no UTF-8 is recorded by its bytes', async t => {
  const hex = (text: string) => recordedText(Buffer.from(text, 'hex'))
  t.equal(hex('61ff62'), 'a\\xffb')
  t.equal(hex('c3a4c3'), 'ä\\xc3')
  t.equal(hex('e282'), '\\xe2\\x82')
  t.equal(hex('eda080'), '\\xed\\xa0\\x80', 'half of a pair of surrogates')
  t.equal(hex('efbfbd'), '\ufffd', 'the replacement character itself')
  t.equal(hex('f09f9880'), '😀')
})

t.test('every text stays as it is', async () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), text => recordedText(Buffer.from(text)) === text))
})
