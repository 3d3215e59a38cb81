import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { simpleCommandsOf } from '../../../../src/protocols/ssh/capture/commands/simple-commands.ts'

const read = (command: string) =>
  simpleCommandsOf(command)?.map(({ words, redirected }) => [
    ...words.map(word => word.text),
    ...(redirected ? ['>'] : []),
  ])

t.test('a list or pipeline is taken apart, without where its output goes', async t => {
  t.same(read('a b; c && d || e | f & g'), [['a', 'b'], ['c'], ['d'], ['e'], ['f'], ['g']])
  t.same(read('a 2>&1 b >x|c'), [['a', 'b', '>'], ['c']])
  t.same(read('a 2 >x &>>y'), [['a', '2', '>']])
  t.same(read('>x 2>y a'), [['a', '>']])
  t.same(read("a ';' '>' # b; c\nd"), [['a', ';', '>'], ['d']])
  t.same(read(' \n'), [])
})

t.test('of what is more than that nothing is said', async t => {
  for (const command of [
    '(a)',
    'a <b',
    'a <<b',
    'a $(b)',
    'a `b`',
    'a >',
    'a > >(b)',
    "a 'b",
    'a() { b; }',
    'a > $(b)',
  ])
    t.equal(read(command), undefined, command)
})

t.test('a real shell runs the same commands', async t => {
  const piece = fc.constantFrom(
    ...['a', 'b x', 'c 2', "d ';'", 'a "y z"', 'b#', ' ', '\n', ';', ' && ', '; ', ' # c;d\n', '\\\n', '\\;'],
    ...[
      '>/dev/null ',
      ' 2>/dev/null ',
      ' 2>&1;',
      '>&2 ',
      ' 1>|/dev/null\n',
      ' "2">/dev/null ',
      ' > /dev/null ',
      ' 2>&1>&2 ',
    ],
  )
  const commands = fc
    .sample(fc.array(piece, { minLength: 1, maxLength: 9 }), { numRuns: 1_500, seed: 11 })
    .map(pieces => pieces.join(''))
  const define = `command_not_found_handle() { printf '%s\\001' "$@" >&3; printf '\\002' >&3; }\n`
  // What a shell does not understand ends it, and is asked in a shell of its own.
  const quoted = commands.map(command => `'${command.replaceAll("'", `'\\''`)}'`)
  const script = `exec 3>&1 >/dev/null 2>&1\n${define}for x in ${quoted.join(' ')}; do (eval "$x") && printf '\\003' >&3 || printf '\\004' >&3; done`
  const heard = execFileSync('bash', { input: script, encoding: 'utf8' }).split(/(?<=[\x03\x04])/)
  t.equal(heard.length, commands.length)
  let same = 0
  commands.forEach((command, i) => {
    if (heard[i]!.endsWith('\x04')) return
    const ran = heard[i]!.slice(0, -1)
      .split('\x02')
      .slice(0, -1)
      .map(words => words.split('\x01').slice(0, -1))
    const said = read(command)?.map(words => words.filter(word => word !== '>'))
    if (JSON.stringify(said) === JSON.stringify(ran)) same++
    else t.same(said, ran, JSON.stringify(command))
  })
  t.ok(same > 500, `${same} commands that a shell ran`)
})
