import fc from 'fast-check'
import t from 'tap'
import { nearest } from '../../../src/config/nearest.ts'

t.test('the word that was meant is found, and none where none is near', async t => {
  const known = ['port', 'host', 'loginGrace', 'maxAuthTries']
  t.equal(nearest('prot', known), 'port', 'two letters swapped')
  t.equal(nearest('hosts', known), 'host')
  t.equal(nearest('login_grace', known), 'loginGrace')
  t.equal(nearest('MAXAUTHTRIES', known), 'maxAuthTries')
  t.equal(nearest('zone', known), undefined)
  t.equal(nearest('', known), undefined)
  t.equal(nearest('x', []), undefined)
})

t.test('property: a known word with one letter taken out is found again', async () => {
  const known = ['maxSession', 'rememberFactor', 'publicKeys', 'description']
  fc.assert(
    fc.property(fc.constantFrom(...known), fc.nat(), (word, where) => {
      const at = where % word.length
      return nearest(word.slice(0, at) + word.slice(at + 1), known) === word
    }),
  )
})
