/** A session channel of the gateway's own, as those see it who answer on it. */

import type { Conversation, Listener, SessionOutcome, SessionQuestions } from '../../../session/conversation.ts'
import type { Login } from '../../../session/run-login.ts'
import { newId } from '../../../shared/ids.ts'
import { type AccountAddress, formatLoginName } from '../../../shared/names.ts'
import type { SshDownstream } from '../client-side/downstream.ts'
import type { RelayedClient } from '../relay/relay-peer.ts'
import { InnerClient } from './inner-client.ts'
import { InnerDownstream } from './inner-downstream.ts'
import type { SessionChannel } from './session-channel.ts'

export interface ConversationOptions {
  readonly channel: SessionChannel
  readonly downstream: SshDownstream
  readonly login: Login
  /** Runs a session through the pipeline. */
  readonly run: (downstream: RelayedClient, session: string) => Promise<void>
  readonly now: () => number
}

export class SshConversation implements Conversation {
  readonly protocol = 'ssh'
  readonly gone: AbortSignal
  readonly #options: ConversationOptions

  constructor(options: ConversationOptions) {
    this.#options = options
    // The login's own end first: it says why.
    this.gone = AbortSignal.any([options.login.signal, options.channel.gone])
  }

  get command(): string | undefined {
    return this.#options.channel.program.command
  }

  get terminal(): Conversation['terminal'] {
    return this.#options.channel.program.terminal
  }

  write(text: string): Promise<void> {
    return this.#write(text, false)
  }

  /** A terminal is one stream: as two, a client shows a question before what was said ahead of it. */
  complain(text: string): Promise<void> {
    return this.#write(text, this.terminal === undefined)
  }

  listen(listener: Listener | undefined): void {
    const { channel } = this.#options
    if (listener === undefined) {
      channel.use(undefined)
      return
    }
    channel.use({
      data(bytes) {
        listener.typed(bytes)
        channel.consumed(bytes.length)
      },
      eof: () => listener.ended?.(),
      resized: () => listener.resized?.(),
    })
    if (channel.clientEof) listener.ended?.()
  }

  async connect(address: AccountAddress, person: SessionQuestions): Promise<SessionOutcome> {
    const { channel, downstream, login, run, now } = this.#options
    const session = newId('ses', now())
    const { source, details, transport } = downstream
    const inner = new InnerDownstream({
      ...{ source, session, person, gone: this.gone, outer: login.id },
      client: new InnerClient(transport, channel),
      login: formatLoginName({ user: login.who.principal.user, ...address }),
      details: { ...details, inside: login.id },
    })
    const release = login.opened()
    try {
      await run(inner, session)
    } finally {
      inner.relayed.destroy()
      release()
    }
    return inner.outcome
  }

  #write(text: string, stderr: boolean): Promise<void> {
    const { channel } = this.#options
    const lines = this.terminal === undefined ? text : text.replace(/\r?\n/g, '\r\n')
    return channel.write(Buffer.from(lines), stderr)
  }
}
