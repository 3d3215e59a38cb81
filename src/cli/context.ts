/** What every command gets: the terminal, the options that count everywhere, and a client made when it is first needed. */

import type { Command } from 'commander'
import type { Config } from '../config/config.ts'
import type { Secret } from '../shared/secret.ts'
import { type Client, createClient } from './client.ts'
import { type ConnectionOptions, chooseConnection, readCa } from './connection.ts'
import { withOwnView } from './own-view.ts'
import type { Terminal } from './terminal/terminal.ts'

interface GlobalOptions extends ConnectionOptions {
  json?: boolean
}

export interface Context {
  readonly terminal: Terminal
  /** Whether answers are wanted as JSON. */
  readonly json: boolean
  /** What --config was given. */
  readonly configOption: string | undefined
  /** What --url was given. */
  readonly url: string | undefined
  /** The certificates that --ca or the environment names. */
  ca(): Promise<string | undefined>
  client(): Promise<Client>
  /** Of --config, SALLYPORT_CONFIG, or where it usually lies. Throws `CONFIG_INVALID`. */
  config(): Promise<Config>
  now(): number
}

/** Adds the commands of one noun to the program. */
export type AddCommands = (program: Command, context: Context) => void

export function createContext(program: Command, terminal: Terminal): Context {
  const options = () => program.opts<GlobalOptions>()
  // Functions without `this`: commands take the members of a context apart.
  const config = async () => {
    // Few commands read it: it brings the whole schema along.
    const { loadConfig } = await import('../config/load-config.ts')
    return loadConfig(options().config ?? terminal.env.SALLYPORT_CONFIG, terminal.env)
  }
  return {
    terminal,
    get json() {
      return options().json === true
    },
    config,
    get configOption() {
      return options().config
    },
    get url() {
      return options().url
    },
    ca: () => readCa(options(), terminal.env),
    async client() {
      const socket = async () => (await config()).api.socket
      const connection = await chooseConnection(options(), terminal.env, socket)
      return withOwnView(createClient(connection), connection)
    },
    now: () => Date.now(),
  }
}

/** The text of a secret for a request's body: it leaves over the owner's socket or TLS, to be sealed by the vault. */
export function textForVault(secret: Secret): string {
  return secret.reveal()
}
