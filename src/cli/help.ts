/** How help looks: calm, grouped, as wide as the terminal, with the exit codes at the end. */

import type { Command, Help } from 'commander'
import type { Terminal } from './terminal.ts'

const MAX_WIDTH = 100

const AFTER_ALL = `
Exit codes:
  0  done, or the answer is yes     3  no gateway was reached
  1  the answer is no               4  not permitted
  2  the command is not understood  5  something broke in the gateway

An account is named account@target (root@web-01). A secret is never an argument: it is asked for, or read with --stdin.`

/** Must be called before commands are added: they inherit it. */
export function styleHelp(program: Command, terminal: Terminal): void {
  program
    .exitOverride()
    .showHelpAfterError('(sallyport --help shows what there is)')
    .configureOutput({
      writeOut: text => void terminal.stdout.write(text),
      writeErr: text => void terminal.stderr.write(text),
      getOutHelpWidth: () => Math.min(terminal.width ?? MAX_WIDTH, MAX_WIDTH),
      getErrHelpWidth: () => MAX_WIDTH,
      getOutHasColors: () => terminal.colours,
      getErrHasColors: () => false,
      outputError: (text, write) => write(text.replace(/^error: /, 'sallyport: ')),
    })
    .configureHelp({
      showGlobalOptions: false,
      styleTitle: text => terminal.style('bold', text),
      styleCommandText: text => terminal.style('cyan', text),
      styleSubcommandText: text => terminal.style('cyan', text),
      styleOptionText: text => terminal.style('cyan', text),
      styleArgumentText: text => terminal.style('dim', text),
      subcommandTerm,
      commandUsage: (command: Command) => `${pathOf(command)} ${command.usage()}`,
    } satisfies Partial<Help>)
    .addHelpText('after', AFTER_ALL)
}

/** `session list|show|…` for a noun, `apply -f PATH…` for a verb with its own usage. */
function subcommandTerm(command: Command): string {
  if (command.commands.length > 0) return `${command.name()} ${command.commands.map(each => each.name()).join('|')}`
  const given = command.registeredArguments.map(argument => {
    const name = argument.name().toUpperCase() + (argument.variadic ? '…' : '')
    return argument.required ? name : `[${name}]`
  })
  return [command.name(), ...given].join(' ')
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`
}
