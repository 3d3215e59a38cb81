/** The command line as a whole: groups of commands, options that count everywhere, and how errors become exit codes. */

import { Command, CommanderError, Option } from 'commander'
import { type ErrorCode, GatewayError, messageOf } from '../shared/errors.ts'
import { EXIT, type ExitCode } from '../shared/exit-codes.ts'
import { version } from '../shared/version.ts'
import { commandsFor, HEADINGS } from './commands.ts'
import { createContext } from './context.ts'
import { CliError } from './exit.ts'
import { styleHelp } from './help.ts'
import { createTerminal, type Streams, type Terminal } from './terminal/terminal.ts'

/** For what is thrown here and not by the gateway: reading the configuration, starting, verifying offline. */
const EXIT_OF: Partial<Record<ErrorCode, ExitCode>> = {
  CONFIG_INVALID: EXIT.usage,
  BAD_REQUEST: EXIT.usage,
  NOT_FOUND: EXIT.no,
  CONFLICT: EXIT.no,
  RECORDING_DAMAGED: EXIT.no,
}

/** Runs one command line (without `node` and the script); gives the exit code. Never throws. */
export async function runCli(argv: readonly string[], streams: Streams): Promise<ExitCode> {
  const terminal = createTerminal(streams)
  const word = commandWord(argv)
  const program = await createProgram(terminal, versionFlags(argv, word), word)
  try {
    if (argv.length === 0) program.outputHelp()
    else await program.parseAsync(argv, { from: 'user' })
    return EXIT.ok
  } catch (error) {
    return exitOf(error, terminal)
  }
}

const WITH_VALUE = ['-c', '--config', '--socket', '--url', '--token-file', '--ca']

/** The first word that is neither an option nor the value of one: the command, where there is one of that name. */
function commandWord(argv: readonly string[]): string | undefined {
  return argv.find((word, index) => !word.startsWith('-') && !WITH_VALUE.includes(argv[index - 1] ?? ''))
}

/** Behind a command `--version` is the command's own: `credential restore root@web-01 --version 7`. */
function versionFlags(argv: readonly string[], word: string | undefined): string {
  const behindCommand = word !== undefined && argv.indexOf(word) < argv.indexOf('--version')
  return behindCommand ? '-V' : '-V, --version'
}

async function createProgram(terminal: Terminal, flags: string, word: string | undefined): Promise<Command> {
  const program = new Command('sallyport')
  program
    .description('A gate in front of servers and databases: ssh and psql as ever, but recorded.')
    .version(version(), flags, 'print the version')
    .helpOption('-h, --help', 'help, also after every command')
    .helpCommand(false)
    .option('-c, --config <file>', 'the configuration (SALLYPORT_CONFIG)')
    .option('--socket <path>', "the owner's socket (SALLYPORT_SOCKET)")
    .option('--url <url>', 'a gateway elsewhere (SALLYPORT_URL)')
    .option('--token-file <file>', 'the token for --url (or SALLYPORT_TOKEN)')
    .option('--ca <file>', 'what to trust for --url (SALLYPORT_CA)')
    .option('--json', 'answers as JSON')
    .addOption(new Option('--no-color', 'without colours (NO_COLOR)'))
    .hook('preAction', () => {
      if (program.opts().color === false) terminal.withoutColours()
    })
  styleHelp(program, terminal)
  const context = createContext(program, terminal)
  const loaded = await commandsFor(word)
  for (const heading of HEADINGS) {
    program.commandsGroup(heading)
    for (const { add } of loaded.filter(one => one.heading === heading)) add(program, context)
  }
  return program
}

function exitOf(error: unknown, terminal: Terminal): ExitCode {
  // Commander has printed help, version or what was wrong by itself.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  if (error instanceof CliError) {
    if (error.message !== '') terminal.complain(error.message, error.hint)
    return error.exit
  }
  if (error instanceof GatewayError) {
    terminal.complain(error.message)
    return EXIT_OF[error.code] ?? EXIT.broken
  }
  terminal.complain(messageOf(error), terminal.env.SALLYPORT_DEBUG ? (error as Error).stack : undefined)
  return EXIT.broken
}
