/** The protocol of the tests as the gateway loads it. */

import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { DialerFor } from '../../../src/session/dialer.ts'
import type { LoginAtTarget } from '../../../src/session/login-at-target.ts'
import type { Protocol, Upstream } from '../../../src/session/protocol.ts'
import type { HandlerParts, ServedProtocol } from '../../../src/session/served-protocol.ts'
import { unprovable } from '../../../src/session/target-proof.ts'
import { GatewayError } from '../../../src/shared/errors.ts'
import { newId } from '../../../src/shared/ids.ts'
import { LineDownstream } from './downstream.ts'
import type { LineEntry } from './facts.ts'
import { nextLine } from './next-line.ts'

type LineUpstream = Upstream & { readonly socket: Duplex }

async function logIn({ target, account, material, dialer }: LoginAtTarget, signal: AbortSignal): Promise<LineUpstream> {
  const { name, greeting } = target as unknown as LineEntry
  if (material.kind !== 'password') throw new GatewayError('TARGET_LOGIN_FAILED', 'A password is needed.')
  const socket = await dialer.dial(signal)
  socket.once('close', () => dialer.close())
  if ((await nextLine(socket)) !== greeting)
    throw new GatewayError('TARGET_IDENTITY_MISMATCH', `${name} greets otherwise.`)
  socket.write(`${account.name} ${material.password.reveal()}\n`)
  if ((await nextLine(socket)) !== 'WELCOME') throw new GatewayError('TARGET_LOGIN_FAILED', `${name} says no.`)
  return { socket, carrier: socket, close: () => void socket.destroy() }
}

const createProtocol = (dialerFor: DialerFor): Protocol<LineDownstream, LineUpstream> => ({
  name: 'lines' as never,

  connect: (grant, { material }, _downstream, signal) => {
    const { target, account } = grant
    return logIn({ target, account, material, dialer: dialerFor(grant) }, signal)
  },

  async relay({ socket }, { socket: target }, { recorder, signal, activity, count }) {
    recorder.fact({ type: 'channel-open', channel: 0, kind: 'line' })
    const pass = async (from: Duplex, to: Duplex, type: 'input' | 'output') => {
      for await (const bytes of from as AsyncIterable<Buffer>) {
        activity()
        count(type === 'input' ? 'in' : 'out', bytes.length)
        recorder.stream(type, 0, bytes)
        while (!recorder.mayPass(recorder.position)) await recorder.progress()
        to.write(bytes)
      }
      return type === 'input' ? ('client-closed' as const) : ('target-closed' as const)
    }
    const stopped = once(signal, 'abort').then(() => 'interrupted' as const)
    return Promise.race([pass(socket, target, 'input'), pass(target, socket, 'output'), stopped])
  },
})

async function createHandler({ dialerFor, run, clock }: HandlerParts) {
  const protocol = createProtocol(dialerFor)
  const open = new Set<Socket>()
  const sessions = new Set<Promise<void>>()
  return {
    handle({ socket, source, slot }: Parameters<Awaited<ReturnType<ServedProtocol['createHandler']>>['handle']>[0]) {
      socket.on('error', () => socket.destroy())
      if ('full' in slot) return void socket.destroy()
      open.add(socket)
      socket.once('close', () => {
        open.delete(socket)
        slot.release()
      })
      const session = serve().finally(() => sessions.delete(session))
      sessions.add(session)

      async function serve() {
        const [login = '', ...secret] = (await nextLine(socket)).split(' ')
        const downstream = new LineDownstream(socket, source, login, secret.join(' '))
        await run(protocol, downstream, newId('ses', clock.now()))
      }
    },
    async close() {
      for (const socket of open) socket.destroy()
      await Promise.allSettled(sessions)
    },
  }
}

export default {
  createHandler,
  logIn,
  async prove() {
    throw unprovable('there is nothing to prove')
  },
} satisfies ServedProtocol
