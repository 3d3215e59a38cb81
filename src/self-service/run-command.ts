/** Runs one command line: finds the command, reads its options, audits it, and turns what goes wrong into words and an exit code. */

import { parseArgs } from 'node:util'
import type { Principal } from '../identity/principal.ts'
import { hideTokens } from '../identity/token-text.ts'
import type { Conversation } from '../session/conversation.ts'
import type { Login } from '../session/run-login.ts'
import { GatewayError, messageOf } from '../shared/errors.ts'
import { EXIT, type ExitCode } from '../shared/exit-codes.ts'
import type { Log } from '../shared/log.ts'
import type { Metrics } from '../shared/metrics.ts'
import { printable } from '../shared/text/printable.ts'
import { type Command, CommandError, type CommandParts } from './command.ts'
import { wordsOf } from './command-line.ts'
import { createOutput } from './output.ts'
import { COMMANDS } from './registry.ts'
import { usageOf } from './usage.ts'

/** What was typed is kept in the audit log for ever. */
const MOST_SHOWN = 256

export interface RunParts extends CommandParts {
  readonly metrics: Metrics
  readonly log: Log
}

/** Resolves to the exit status. Never rejects. */
export async function runCommand(
  parts: RunParts,
  conversation: Conversation,
  login: Login,
  line: string,
): Promise<ExitCode> {
  let known: Command | undefined
  let exit: ExitCode
  try {
    const person = await login.person()
    if (person === undefined) throw new CommandError(EXIT.notPermitted, 'Your access was withdrawn.')
    const [name = '', ...rest] = wordsOf(line)
    known = COMMANDS.find(command => command.name === name)
    if (known === undefined) {
      await audit(parts, login, person, line)
      throw unknownCommand(name, person.user)
    }
    // First: what is asked is known, whatever becomes of it.
    await audit(parts, login, person, line, known)
    exit = await run(known, rest, parts, conversation, login, person)
  } catch (error) {
    exit = await complain(parts, conversation, login, error)
  }
  parts.metrics.selfService.inc({ what: known?.name ?? 'unknown', result: exit === EXIT.ok ? 'ok' : 'failed' })
  return exit
}

async function run(
  command: Command,
  rest: string[],
  parts: RunParts,
  conversation: Conversation,
  login: Login,
  person: Principal,
): Promise<ExitCode> {
  const { values, positionals } = parsed(command, rest)
  if (values.help) {
    await conversation.write(`${usageOf(command)}\n${command.summary}\n`)
    return EXIT.ok
  }
  const { least, most } = command.words
  if (positionals.length < least) throw usage(command, `${command.name} needs ${command.usage}.`)
  if (positionals.length > most) throw tooMany(command, positionals[most]!, values)
  const width = conversation.terminal?.size.columns
  const out = createOutput({
    ...{ json: values.json === true, width },
    write: text => conversation.write(text),
    note: line => conversation.complain(`${line}\n`),
  })
  return command.run({ parts, person, login, conversation, words: positionals, options: values, out })
}

function parsed(command: Command, args: string[]) {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' }, ...command.options },
      allowPositionals: true,
    })
    return { values: values as Record<string, string | boolean | undefined>, positionals }
  } catch (error) {
    throw usage(command, messageOf(error).split(/\. |\n/)[0]!)
  }
}

function audit(
  { audit }: RunParts,
  { id: session }: Login,
  { user }: Principal,
  line: string,
  command?: Command,
): Promise<void> {
  const data = { command: command?.name ?? 'unknown', line: hideTokens(line).slice(0, MOST_SHOWN) }
  return audit.append({ kind: 'self-service.command', actor: user, session, data })
}

/** Says what went wrong; gives the exit status. */
export async function complain(
  { log }: RunParts,
  conversation: Conversation,
  { id: session }: Login,
  error: unknown,
): Promise<ExitCode> {
  const { message, hint, exit } = wordsFor(error)
  if (exit === EXIT.broken) log.error({ err: error, session }, 'a command of a user broke')
  const lines = [`Sallyport: ${printable(message)}`, ...(hint?.split('\n').map(printable) ?? [])]
  await conversation.complain(lines.map(line => `${line}\n`).join(''))
  return exit
}

function wordsFor(error: unknown): { message: string; hint?: string | undefined; exit: ExitCode } {
  if (error instanceof CommandError) return error
  if (error instanceof GatewayError) return { message: `${error.message} [${error.code}]`, exit: EXIT.broken }
  return { message: 'Something broke in the gateway; its administrator finds the cause in the log.', exit: EXIT.broken }
}

function unknownCommand(name: string, user: string): CommandError {
  const shown = printable(name.slice(0, 64))
  return new CommandError(
    EXIT.usage,
    `There is no command "${shown}" here.`,
    `"help" names those there are. To reach a target, log in as ${user}+account+target.`,
  )
}

function usage(command: Command, message: string): CommandError {
  return new CommandError(EXIT.usage, message, usageOf(command))
}

function tooMany(command: Command, word: string, options: Record<string, string | boolean | undefined>): CommandError {
  const [option] = Object.keys(options).filter(name => typeof options[name] === 'string')
  const quotes = `Your own shell takes quotes away: a text of several words needs two pairs, --${option} "'...'".\n`
  return new CommandError(
    EXIT.usage,
    `${command.name} does not take "${word}".`,
    `${option === undefined ? '' : quotes}${usageOf(command)}`,
  )
}
