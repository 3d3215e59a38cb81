/** Remote procedure calls between processes: calls by name over a channel of messages, each with its answer. */

import { type ErrorCode, GatewayError, messageOf } from './errors.ts'

export type RpcMessage =
  /** Without an id nobody waits for the answer. */
  | { readonly kind: 'call'; readonly id?: number; readonly method: string; readonly values: readonly unknown[] }
  /** Its value, or why there is none. */
  | { readonly kind: 'answer'; readonly id: number; readonly value?: unknown; readonly failed?: RpcFailure }

/** The part of an error that may leave the process. */
export interface RpcFailure {
  readonly code: ErrorCode
  readonly message: string
}

/** What one side does for the other, by name; arguments and values are cloned on their way. */
type Methods<M> = { readonly [K in keyof M]: (...values: never[]) => unknown }

/** The methods of the other side, as they are called from here. */
export interface Remote<M extends Methods<M>> {
  /** Rejects with the GatewayError that the other side met. */
  call<K extends keyof M & string>(method: K, ...values: Parameters<M[K]>): Promise<Awaited<ReturnType<M[K]>>>
  /** A notification: a call without an answer. */
  notify<K extends keyof M & string>(method: K, ...values: Parameters<M[K]>): void
}

export interface Rpc<M extends Methods<M>> extends Remote<M> {
  receive(message: RpcMessage): void
  /** The other side is gone: it is answered no more, and what waits for its answers rejects. */
  close(): void
}

/** `own` is the table of what the other side may ask; nothing else is done for it, and `unknown` is told. */
export function createRpc<Theirs extends Methods<Theirs>, Own extends Methods<Own>>(
  own: Own,
  send: (message: RpcMessage) => void,
  unknown: (method: string) => void = () => undefined,
): Rpc<Theirs> {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let calls = 0
  let closed = false

  async function perform(method: string, values: readonly unknown[]): Promise<unknown> {
    if (!Object.hasOwn(own, method)) {
      unknown(method)
      throw new Error(`there is no method ${method}`)
    }
    return Reflect.apply(own[method as keyof Own], own, values)
  }

  function answer(id: number | undefined, result: { value?: unknown; failed?: RpcFailure }): void {
    if (id !== undefined && !closed) send({ kind: 'answer', id, ...result })
  }

  return {
    call(method, ...values) {
      const id = ++calls
      const called = Promise.withResolvers<unknown>()
      waiting.set(id, called)
      send({ kind: 'call', id, method, values })
      return called.promise as Promise<never>
    },
    notify(method, ...values) {
      send({ kind: 'call', method, values })
    },
    receive(message) {
      if (closed) return
      const { id } = message
      if (message.kind === 'call') {
        perform(message.method, message.values).then(
          value => answer(id, { value }),
          error => answer(id, { failed: failureOf(error) }),
        )
        return
      }
      const called = waiting.get(message.id)
      waiting.delete(message.id)
      if (message.failed === undefined) called?.resolve(message.value)
      else called?.reject(new GatewayError(message.failed.code, message.failed.message))
    },
    close() {
      closed = true
      for (const { reject } of waiting.values()) reject(new GatewayError('INTERNAL', 'The other process has ended.'))
      waiting.clear()
    },
  }
}

export function failureOf(error: unknown): RpcFailure {
  return { code: error instanceof GatewayError ? error.code : 'INTERNAL', message: messageOf(error) }
}
