/**
 * A worker that somebody has taken over: it holds the channel to the gateway, and sends what its master says, who is at the other end of a
 * socket. In the place of `gateway/workers/main.ts`.
 */

import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createReceiver } from '../../src/gateway/workers/handed-credential.ts'
import type { ToWorker } from '../../src/gateway/workers/messages.ts'

/** The file of the socket, in the folder of recordings. */
export const MASTER = 'master.sock'

if (import.meta.main) {
  const sockets: Socket[] = []
  const receivers = new Map<string, ReturnType<typeof createReceiver>>()
  process.on('disconnect', () => process.exit(1))
  process.on('message', (message: ToWorker, socket?: Socket) => {
    if (message.kind === 'drain') process.exit(0)
    if (socket !== undefined) sockets.push(socket)
    if (message.kind !== 'begin') return tell(message)
    master = connect(join(message.config.recording.folder, MASTER))
    createInterface({ input: master }).on('line', line => obey(JSON.parse(line, fromText)))
    tell({ kind: 'begun', begin: message })
    process.send!({ kind: 'ready' })
  })
  let master: Socket | undefined

  /** `opening` names a key for a credential that is to be handed over; `open` opens what came for it. */
  function obey(order: { send?: unknown; opening?: string; open?: string; handed?: never }): void {
    if (order.opening !== undefined) {
      const receiver = createReceiver()
      receivers.set(order.opening, receiver)
      tell({ kind: 'opening', publicKey: receiver.publicKey })
    } else if (order.open !== undefined) {
      const material = receivers.get(order.open)!.open(order.handed!)
      const password = material.kind === 'password' ? material.password.reveal() : undefined
      tell({ kind: 'opened', password })
    } else process.send!(order.send)
  }

  function tell(message: unknown): void {
    master!.write(`${JSON.stringify(message, toText)}\n`)
  }
}

/** Bytes and sets have no JSON of their own. */
export function toText(this: Record<string, unknown>, name: string, value: unknown): unknown {
  const original = this[name]
  if (Buffer.isBuffer(original)) return { bytes: original.toString('base64') }
  return original instanceof Set ? [...original] : value
}

export function fromText(_name: string, value: { bytes?: unknown } | null): unknown {
  return typeof value?.bytes === 'string' ? Buffer.from(value.bytes, 'base64') : value
}
