import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { readShellCommand } from '../../../../src/protocols/ssh/capture/commands/shell-words.ts'

const textsOf = (command: string) => readShellCommand(command).words.map(word => word.text)

t.test('quotes are taken off as a shell does it', async t => {
  t.same(textsOf("scp -t 'two  blanks'"), ['scp', '-t', 'two  blanks'])
  t.same(textsOf('scp -t "a b"/c'), ['scp', '-t', 'a b/c'])
  t.same(textsOf('scp -t three\\ \\ \\ blanks'), ['scp', '-t', 'three   blanks'])
  t.same(textsOf(`a 'it'\\''s' "\\$x \\n"`), ['a', "it's", '$x \\n'])
  t.same(textsOf("'' a"), ['', 'a'])
})

t.test('what the shell would expand, and what is more than one command, is told', async t => {
  for (const word of ['$HOME/x', '~/x', '*.gz', 'a?b', '[ab]', '{a,b}', '`id`', '"$HOME"', '"`id`"'])
    t.ok(readShellCommand(word).words[0]!.expands, word)
  for (const word of ["'$HOME'", '\\$HOME', '"a*b"', 'a~b', '\\*', '"~"'])
    t.notOk(readShellCommand(word).words[0]!.expands, word)
  for (const command of [
    'a; b',
    'a && b',
    'a | b',
    'a > b',
    'a &',
    '(a)',
    'a\nb',
    "a 'b",
    'a "b',
    'a # b',
    'a \\',
    'a `b`',
    'a "`b`"',
    'a $(b)',
    'a "$(b)"',
    `a $${'{b:-c}'}`,
  ])
    t.notOk(readShellCommand(command).alone, JSON.stringify(command))
  for (const command of ['a b', 'a#b c', "a ';' b", 'a \\; b', 'a\n', '', 'a $b "$c"', "a '`b`' '$(c)'"])
    t.ok(readShellCommand(command).alone, JSON.stringify(command))
})

t.test('a real shell reads the same words', async t => {
  const character = fc.constantFrom(...`ab'"\\ \t$*;#~é=-/&|\n{}!%`)
  const quoted = fc.array(character, { maxLength: 6 }).map(all => all.join('').replaceAll("'", ''))
  const piece = fc.oneof(
    fc.array(character, { maxLength: 8 }).map(all => all.join('')),
    quoted.map(text => `'${text}'`),
    quoted.map(text => `"${text.replaceAll('"', '').replaceAll('\\', '')}"`),
    fc.constantFrom('\\ ', '\\"', "\\'", '"\\""', '"\\a"', '" "'),
  )
  const commands = fc
    .sample(fc.array(piece, { minLength: 1, maxLength: 5 }), { numRuns: 20_000, seed: 10 })
    .map(pieces => pieces.join(''))
    .filter(command => {
      const { words, alone } = readShellCommand(`x ${command}`)
      return alone && words.every(word => !word.expands)
    })
  t.ok(commands.length > 2_000, `${commands.length} commands that a shell can be asked about`)
  // A line end, because a backslash at the end would join the next.
  const script = commands.map(command => `printf '%s\\001' x ${command}\nprintf '\\002'\n`).join('')
  const heard = execFileSync('/bin/sh', ['-f'], { input: script, encoding: 'utf8' }).split('\x02')
  commands.forEach((command, i) => {
    const words = heard[i]!.split('\x01').slice(0, -1)
    const read = textsOf(`x ${command}`)
    if (JSON.stringify(words) !== JSON.stringify(read)) t.same(read, words, JSON.stringify(command))
  })
})
