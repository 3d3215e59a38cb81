import { createContext, Script } from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import { type LinearPattern, linearPattern } from '../../../../src/shared/text/linear-pattern.ts'

const given: { whole?: RegExp; texts?: readonly string[] } = createContext({})
const inJavaScript = new Script('texts.map(one => whole.test(one))')

/** Undefined where JavaScript, which tries one possibility after the other, does not come to an end with it. */
function matchesInJavaScript(source: string, texts: readonly string[]): boolean[] | undefined {
  Object.assign(given, { whole: new RegExp(`^(?:${source})$`, 's'), texts })
  try {
    return inJavaScript.runInContext(given, { timeout: 500 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return undefined
    throw error
  }
}

/** Undefined where it is too large, which is said. */
function patternOf(source: string): LinearPattern | undefined {
  try {
    return linearPattern(source)
  } catch (error) {
    if (error instanceof SyntaxError && /too large/.test(error.message)) return undefined
    throw error
  }
}

t.test('what a pattern matches, it matches as JavaScript does, and whole', async () => {
  const letters = fc.constantFrom('a', 'b', '1', '-')
  const atom = fc.oneof(
    letters.map(letter => letter.replace('-', '\\-')),
    fc.constantFrom('.', '\\d', '\\w', '[ab]', '[^a]', '[a-b1]', '[b-]'),
  )
  const { pattern } = fc.letrec<{ pattern: string; repeated: string; sequence: string }>(tie => ({
    repeated: fc
      .tuple(
        fc.oneof(
          { weight: 3, arbitrary: atom },
          { weight: 1, arbitrary: tie('pattern').map(inner => `(?:${inner})`) },
          { weight: 1, arbitrary: tie('pattern').map(inner => `(${inner})`) },
        ),
        fc.constantFrom('', '', '?', '*', '+', '{2}', '{1,2}', '{0,3}', '{2,}'),
      )
      .map(parts => parts.join('')),
    sequence: fc.array(tie('repeated'), { maxLength: 3 }).map(parts => parts.join('')),
    pattern: fc.oneof(
      { depthSize: 'small', maxDepth: 3 },
      tie('sequence'),
      fc.tuple(tie('sequence'), tie('sequence')).map(parts => parts.join('|')),
    ),
  }))
  const text = fc.array(letters, { maxLength: 8 }).map(parts => parts.join(''))
  fc.assert(
    fc.property(pattern, fc.array(text, { minLength: 5, maxLength: 20 }), (source, texts) => {
      const mine = patternOf(source)
      const expected = matchesInJavaScript(source, texts)
      fc.pre(mine !== undefined && expected !== undefined)
      return texts.every((one, index) => mine.matches(one) === expected[index])
    }),
    { numRuns: 2000 },
  )
})

t.test('anchors are allowed and change nothing', async t => {
  for (const source of ['INC-\\d{4,8}', '^INC-\\d{4,8}$', '^INC-\\d{4,8}', 'INC-\\d{4,8}$']) {
    t.ok(linearPattern(source).matches('INC-4711'), source)
    t.notOk(linearPattern(source).matches('xINC-4711'), source)
    t.notOk(linearPattern(source).matches('INC-4711x'), source)
  }
  t.ok(linearPattern('a\\$').matches('a$'))
})

t.test('a pattern that makes others hang is answered by counting characters', async t => {
  const evil = linearPattern('^(([a-z])+.)+[A-Z]([a-z])+$')
  // 5,000 characters: a matcher that tries one possibility after the other would not end.
  t.notOk(evil.matches('a'.repeat(5000)))
  t.notOk(linearPattern('(a*)*b').matches('a'.repeat(5000)))
})

t.test('what is not understood is said', async t => {
  const wrong = [
    '(a',
    'a)',
    '[a',
    '[]',
    '*a',
    'a**',
    'a{3,1}',
    'a{999}',
    '(?=a)',
    '(?<n>a)',
    '\\1',
    '\\bx',
    'a^b',
    'a$b',
    '\\',
    ']',
    'a{x}',
  ]
  for (const source of wrong) t.throws(() => linearPattern(source), SyntaxError, source)
  t.throws(() => linearPattern('((a{200}){200}){200}'), { message: /too large/ })
  t.throws(() => linearPattern('((((((){256}){256}){256}){256}){256}'.concat(')')), { message: /too large/ })
  t.throws(() => linearPattern(`${'('.repeat(40)}a${')'.repeat(40)}`), { message: /inside each other/ })
})
