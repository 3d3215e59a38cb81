/** An SSH host that keeps what it is given to log in: what an attacker would run, and what an honest one sees. */

import type * as Ssh2 from 'ssh2'
import type { Test } from 'tap'
import { generateKeyPair } from '../../src/protocols/ssh/transport/generate-key-pair.ts'
import { loadSsh2 } from '../../src/shared/ssh-encoding/ssh2.ts'

const { Server } = loadSsh2() as { Server: typeof Ssh2.Server }

export interface PasswordHost {
  readonly host: string
  readonly port: number
  /** As a target's entry takes them. */
  readonly hostKeys: string[]
  /** User and password of every login, in order. */
  readonly given: [string, string][]
  /** How many connections there were. */
  readonly connections: number
}

export interface PasswordHostOptions {
  /** Its private host keys; not given: a new one. */
  readonly keys?: ReturnType<typeof generateKeyPair>[]
  /** in place of letting everybody in who gives a password. */
  readonly behave?: (context: Ssh2.AuthContext, given: [string, string][]) => void
}

export async function startPasswordHost(t: Test, options: PasswordHostOptions = {}): Promise<PasswordHost> {
  const { keys = [generateKeyPair('ed25519')], behave = letIn } = options
  const given: [string, string][] = []
  let connections = 0
  const server = new Server({ hostKeys: keys.map(key => key.secret.reveal()) }, client => {
    connections++
    client.on('error', () => undefined)
    client.on('authentication', context => {
      if (context.method === 'password') given.push([context.username, context.password])
      behave(context, given)
    })
    client.on('session', accept =>
      accept().on('exec', take => {
        const channel = take()
        channel.exit(0)
        channel.end()
      }),
    )
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return {
    host: '127.0.0.1',
    port: (server.address() as { port: number }).port,
    hostKeys: keys.map(key => key.public.trim()),
    given,
    get connections() {
      return connections
    },
  }
}

function letIn(context: Ssh2.AuthContext): void {
  if (context.method === 'password') context.accept()
  else context.reject(['password'])
}
