/**
 * Patterns that an administrator writes and strangers' text is matched against: a part of JavaScript's regular expressions that can be matched
 * in linear time, by following all possibilities at once. No pattern takes long, whatever the text.
 */

export interface LinearPattern {
  /** Whether the whole text is of this form. */
  matches(text: string): boolean
}

/** What a pattern may grow to, once its repetitions are written out. */
const MOST_STATES = 2000
const MOST_REPETITIONS = 256
const MOST_DEPTH = 32

type Test = (character: string) => boolean

type Node =
  | { readonly is: 'one'; readonly test: Test }
  | { readonly is: 'all' | 'any'; readonly of: readonly Node[] }
  | { readonly is: 'repeated'; readonly node: Node; readonly least: number; readonly most: number }

/** A step: one character further, or on without one. `to`: `steps.length` is the end. */
type Step = { readonly test: Test; readonly to: number } | { readonly to: readonly number[] }

/**
 * Literals, `.`, classes (`[A-Z0-9_-]`, `\d`, `\w`), groups, `|`, and `?`, `*`, `+`, `{2}`, `{2,5}`; what it matches it matches whole, with `^` and
 * `$` or without. Throws SyntaxError, in words for the one who wrote it.
 */
export function linearPattern(source: string): LinearPattern {
  const steps: Step[] = []
  let parts = 0
  const node = parse(source.replace(/^\^/, '').replace(/(^|[^\\])((?:\\\\)*)\$$/, '$1$2'))
  const start = compile(node, END)

  /** Puts the steps of a node, which goes on to `after`, behind the others; gives the first. */
  function compile(node: Node, after: number): number {
    if (++parts > MOST_STATES) throw new SyntaxError('the pattern is too large: fewer or smaller repetitions')
    switch (node.is) {
      case 'one':
        return steps.push({ test: node.test, to: after }) - 1
      case 'all':
        return node.of.reduceRight((next, part) => compile(part, next), after)
      case 'any':
        return steps.push({ to: node.of.map(part => compile(part, after)) }) - 1
      case 'repeated': {
        let next = after
        if (node.most === Number.POSITIVE_INFINITY) {
          const to: number[] = [after]
          const loop = steps.push({ to }) - 1
          to.push(compile(node.node, loop))
          next = loop
        } else {
          for (let count = node.least; count < node.most; count++) {
            next = steps.push({ to: [after, compile(node.node, next)] }) - 1
          }
        }
        for (let count = 0; count < node.least; count++) next = compile(node.node, next)
        return next
      }
    }
  }

  return {
    matches(text) {
      let states = closure([start], steps)
      for (const character of text) {
        const next: number[] = []
        for (const state of states) {
          const step = steps[state]
          if (step !== undefined && 'test' in step && step.test(character)) next.push(step.to)
        }
        if (next.length === 0) return false
        states = closure(next, steps)
      }
      return states.has(END)
    },
  }
}

/** Where a match is whole. */
const END = -1

function closure(from: readonly number[], steps: readonly Step[]): ReadonlySet<number> {
  const seen = new Set<number>()
  const open = [...from]
  while (open.length > 0) {
    const state = open.pop()!
    if (seen.has(state)) continue
    seen.add(state)
    const step = steps[state]
    if (step !== undefined && !('test' in step)) open.push(...step.to)
  }
  return seen
}

const CLASSES: Readonly<Record<string, Test>> = {
  d: character => character >= '0' && character <= '9',
  w: character => /^[A-Za-z0-9_]$/.test(character),
}
/** What stands for itself behind a backslash. */
const ESCAPED = /^[^A-Za-z0-9]$/
const REPETITION = /^\{(\d{1,4})(,(\d{1,4})?)?\}/

function parse(source: string): Node {
  const characters = [...source]
  let at = 0

  function alternatives(depth: number): Node {
    if (depth > MOST_DEPTH) throw new SyntaxError('the pattern has too many groups inside each other')
    const of = [sequence(depth)]
    while (characters[at] === '|') {
      at++
      of.push(sequence(depth))
    }
    return of.length === 1 ? of[0]! : { is: 'any', of }
  }

  function sequence(depth: number): Node {
    const of: Node[] = []
    while (at < characters.length && characters[at] !== '|' && characters[at] !== ')') of.push(repeated(depth))
    return { is: 'all', of }
  }

  function repeated(depth: number): Node {
    const node = one(depth)
    const count = repetition()
    if (count === undefined) return node
    if (repetition() !== undefined) throw new SyntaxError('a repetition follows a repetition')
    return { is: 'repeated', node, ...count }
  }

  function repetition(): { least: number; most: number } | undefined {
    const character = characters[at]
    const simple = { '?': [0, 1], '*': [0, Number.POSITIVE_INFINITY], '+': [1, Number.POSITIVE_INFINITY] } as const
    if (character === '?' || character === '*' || character === '+') {
      at++
      const [least, most] = simple[character]
      return { least, most }
    }
    if (character !== '{') return undefined
    const [whole, least, comma, most] = REPETITION.exec(characters.slice(at, at + 12).join('')) ?? []
    if (whole === undefined) throw new SyntaxError('a { that is no repetition is written \\{')
    at += whole.length
    const from = Number(least)
    const to = comma === undefined ? from : Number(most ?? Number.POSITIVE_INFINITY)
    if (from > to) throw new SyntaxError(`the repetition ${whole} is empty`)
    if (from > MOST_REPETITIONS || (Number.isFinite(to) && to > MOST_REPETITIONS))
      throw new SyntaxError(`a repetition is at most ${MOST_REPETITIONS} times`)
    return { least: from, most: to }
  }

  function one(depth: number): Node {
    const character = characters[at++]!
    switch (character) {
      case '(': {
        if (characters[at] === '?') {
          if (characters[at + 1] !== ':') throw new SyntaxError('(?…) is not understood, but for (?:…)')
          at += 2
        }
        const node = alternatives(depth + 1)
        if (characters[at++] !== ')') throw new SyntaxError('a ( is not closed')
        return node
      }
      case '[':
        return { is: 'one', test: characterClass() }
      case '.':
        return { is: 'one', test: () => true }
      case '\\':
        return { is: 'one', test: escaped() }
      case '^':
      case '$':
        throw new SyntaxError(`${character} stands at the ${character === '^' ? 'beginning' : 'end'} alone`)
      case '?':
      case '*':
      case '+':
      case '{':
        throw new SyntaxError(`nothing stands before ${character}`)
      case ']':
      case '}':
        throw new SyntaxError(`a ${character} that stands for itself is written \\${character}`)
      default:
        return { is: 'one', test: other => other === character }
    }
  }

  function escaped(): Test {
    const character = characters[at++]
    if (character === undefined) throw new SyntaxError('nothing follows the last \\')
    const known = CLASSES[character]
    if (known !== undefined) return known
    if (!ESCAPED.test(character)) throw new SyntaxError(`\\${character} is not understood: \\d and \\w are`)
    return other => other === character
  }

  function characterClass(): Test {
    const negated = characters[at] === '^'
    if (negated) at++
    const tests: Test[] = []
    while (characters[at] !== ']') {
      const from = characters[at++]
      if (from === undefined) throw new SyntaxError('a [ is not closed')
      if (from === '\\') {
        tests.push(escaped())
        continue
      }
      if (characters[at] !== '-' || characters[at + 1] === ']' || characters[at + 1] === undefined) {
        tests.push(other => other === from)
        continue
      }
      const to = characters[at + 1]!
      at += 2
      if (to === '\\' || from > to) throw new SyntaxError(`${from}-${to} is no range of characters`)
      tests.push(other => other >= from && other <= to && [...other].length === 1)
    }
    at++
    if (tests.length === 0) throw new SyntaxError('a [] holds nothing')
    return character => tests.some(test => test(character)) !== negated
  }

  const node = alternatives(0)
  if (at < characters.length) throw new SyntaxError('a ) closes nothing')
  return node
}
