/** How help looks: calm, grouped, as wide as the terminal, with the exit codes at the end. */

import type { Command, Help } from 'commander'
import { printable } from '../shared/text/printable.ts'
import type { Terminal } from './terminal/terminal.ts'

const MAX_WIDTH = 100
/** Where it is not a terminal that would tell. */
const USUAL_WIDTH = 80
/** A noun with more commands than these shows the first of them. */
const SHOWN_COMMANDS = 4

const AFTER_ALL = `
Exit codes:
  0  done, or the answer is yes     3  no gateway was reached
  1  the answer is no               4  not permitted
  2  the command is not understood  5  something broke in the gateway

An account is named account@target, for example root@web-01.
A secret is never an argument: it is asked for, or read with --stdin.`

/** Must be called before commands are added: they inherit it. */
export function styleHelp(program: Command, terminal: Terminal): void {
  program
    .exitOverride()
    .configureOutput({
      writeOut: text => void terminal.stdout.write(text),
      writeErr: text => void terminal.stderr.write(text),
      getOutHelpWidth: () => Math.min(terminal.width ?? USUAL_WIDTH, MAX_WIDTH),
      getErrHelpWidth: () => USUAL_WIDTH,
      getOutHasColors: () => terminal.colours,
      getErrHasColors: () => false,
      outputError: (text, write) => write(complaint(text)),
    })
    .configureHelp({
      styleTitle: text => terminal.style('bold', text),
      styleSubcommandTerm: text => terminal.style('cyan', text),
      styleOptionTerm: text => terminal.style('cyan', text),
      subcommandTerm,
      optionTerm: option => (option.short === undefined ? `    ${option.flags}` : option.flags),
      formatHelp,
    } satisfies Partial<Help>)
    .addHelpText('after', AFTER_ALL)
}

/** Commander's words, in our form: what is wrong, what to do next. */
function complaint(text: string): string {
  const [wrong, ...hints] = text
    .replace(/^error: /, '')
    .trimEnd()
    .split('\n')
    .map(printable)
  const sentence = `${wrong!.replace(/[.]?$/, '')}.`
  return [`sallyport: ${sentence}`, ...hints, 'See --help after any command, or sallyport alone.', ''].join('\n')
}

/** What it is for, how it is typed, its commands by group, and options last. */
function formatHelp(command: Command, help: Help): string {
  const termWidth = help.padWidth(command, help)
  const item = (term: string, text: string) => help.formatItem(term, termWidth, text, help)
  const lines = [help.boxWrap(sentence(command.description()), help.helpWidth ?? USUAL_WIDTH), '']
  lines.push(`${help.styleTitle('Usage:')} ${pathOf(command)} ${usageOf(command)}`.trimEnd(), '')
  const groups = help.groupItems(
    [...command.commands],
    help.visibleCommands(command),
    each => each.helpGroup() || 'Commands:',
  )
  for (const [heading, commands] of groups) {
    const items = commands.map(each => item(help.styleSubcommandTerm(subcommandTerm(each)), each.description()))
    lines.push(...help.formatItemList(heading, items, help))
  }
  const explained = command.registeredArguments.filter(argument => argument.description !== '')
  const argumentItems = explained.map(argument => item(nameOf(argument), argument.description))
  lines.push(...help.formatItemList('Arguments:', argumentItems, help))
  const options = help.visibleOptions(command).filter(option => command.parent === null || option.long !== '--help')
  const optionItems = options.map(option =>
    item(help.styleOptionTerm(help.optionTerm(option)), help.optionDescription(option)),
  )
  lines.push(...help.formatItemList(command.parent === null ? 'Options everywhere:' : 'Options:', optionItems, help))
  return `${lines.join('\n').trimEnd()}\n`
}

function usageOf(command: Command): string {
  if (command.commands.length > 0) return 'COMMAND …'
  const optional = command.options.some(option => !option.mandatory) ? ['[options]'] : []
  return [...needs(command), ...optional].join(' ')
}

/** `session list|show|…` for a noun, `explain USER ACCOUNT@TARGET` for a verb. */
function subcommandTerm(command: Command): string {
  if (command.commands.length > 0) return `${command.name()} ${listed(command.commands.map(each => each.name()))}`
  return [command.name(), ...needs(command)].join(' ')
}

function listed(names: readonly string[]): string {
  return names.length > SHOWN_COMMANDS ? `${names.slice(0, SHOWN_COMMANDS - 1).join('|')}|…` : names.join('|')
}

/** What a command cannot do without, in short: `USER ACCOUNT@TARGET`, `-f PATH…`. */
function needs(command: Command): string[] {
  const mandatory = command.options.filter(option => option.mandatory)
  const value = (flags: string) => (/<(.*)>/.exec(flags)?.[1] ?? '').toUpperCase().replace('...', '…')
  return [
    ...command.registeredArguments.map(nameOf),
    ...mandatory.map(option => `${option.short ?? option.long} ${value(option.flags)}`),
  ]
}

function nameOf(argument: { name(): string; required: boolean; variadic: boolean }): string {
  const name = argument.name().toUpperCase() + (argument.variadic ? '…' : '')
  return argument.required ? name : `[${name}]`
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`
}

function sentence(text: string): string {
  return /[.?!]$/.test(text) ? capital(text) : `${capital(text)}.`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
