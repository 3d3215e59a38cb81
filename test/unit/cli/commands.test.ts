/** What is typed is found without loading what is not. */

import { Command } from 'commander'
import t from 'tap'
import { commandsFor } from '../../../src/cli/commands.ts'
import { createContext } from '../../../src/cli/context.ts'
import type { Terminal } from '../../../src/cli/terminal/terminal.ts'
import { cli } from '../../support/run-cli.ts'

t.test('every command is in the table under its own name, once', async t => {
  for (const { names, add } of await commandsFor(undefined)) {
    const program = new Command()
    add(program, createContext(program, {} as Terminal))
    t.same(
      program.commands.map(command => command.name()),
      names,
    )
    for (const name of names) t.equal((await commandsFor(name)).length, 1, name)
  }
})

t.test('help names them all, and a word that is none gets the nearest', async t => {
  const { stdout } = await cli(['--help'])
  for (const { names } of await commandsFor(undefined))
    for (const name of names) t.match(stdout, new RegExp(`^  ${name}\\b`, 'm'))
  const { exit, stderr } = await cli(['--socket', 'user', 'sesion', 'list'])
  t.equal(exit, 2)
  t.match(stderr, /Did you mean session\?/)
  t.equal((await cli(['--config', '/nowhere.yaml', 'user', 'list'])).exit, 2)
})
