/** Ending a session that one watches takes two keys, each alone; what is pasted ends nothing. */

import fc from 'fast-check'
import t from 'tap'
import { createFollowKeys } from '../../../src/recording/rendering/follow-keys.ts'

t.test('e asks, and y alone after it ends', async t => {
  const keys = createFollowKeys(true)
  t.equal(keys('e'), 'ask-end')
  t.equal(keys('y'), 'end')
  t.equal(keys('y'), undefined)
  t.equal(keys('e'), 'ask-end')
  t.equal(keys('e'), 'keep', 'another key does not')
  t.equal(keys('y'), undefined)
  t.equal(keys('q'), 'leave')
  t.equal(keys('text\x03'), 'leave')
})

t.test('pasted text, in pieces of more than one character, ends nothing', async () => {
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 2 })), pieces => {
      const keys = createFollowKeys(true)
      return pieces.every(piece => keys(piece) !== 'end')
    }),
  )
})

t.test('whoever is no moderator ends nothing', async t => {
  const keys = createFollowKeys(false)
  t.equal(keys('e'), undefined)
  t.equal(keys('y'), undefined)
})
