import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { shellWord } from '../../../../src/shared/text/shell-word.ts'

t.test('a shell reads back what was quoted', async t => {
  t.equal(shellWord('/tmp/sallyport-demo/key'), '/tmp/sallyport-demo/key')
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), text => {
      const word = text.replaceAll('\0', ' ')
      return execFileSync('sh', ['-c', `printf %s ${shellWord(word)}`], { encoding: 'utf8' }) === word
    }),
    { numRuns: 50, examples: [["it's"], ['a b'], ['$HOME'], ['`id`'], ['*']] },
  )
})
