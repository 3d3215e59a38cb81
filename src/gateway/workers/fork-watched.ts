/**
 * Forks a process whose messages are looked at before Node reads them: Node trusts the channel of a child, takes memory for whatever length it
 * names, and breaks off itself, with the process that it is in, at what it cannot read.
 */

import { createHook } from 'node:async_hooks'
import { type ChildProcess, type ForkOptions, fork } from 'node:child_process'
import { GatewayError, messageOf } from '../../shared/errors.ts'

/** Longer than any message of a worker of ours: the largest has 10,000 names in it, or a follower's chunk. */
export const MOST_MESSAGE_BYTES = 4 * 1024 * 1024

/** The end of the channel as Node has it inside. Node's version is pinned. */
interface Pipe {
  onread: (this: Pipe, bytes: ArrayBuffer | undefined) => unknown
  /** A socket or file that came with what was read. */
  pendingHandle?: { close(): void } | null | undefined
}

/** What Node's half in a child says of sockets that were handed over to it: that it has one, or not, and which of a server it still has. */
const OF_NODE = ['NODE_HANDLE_ACK', 'NODE_HANDLE_NACK', 'NODE_SOCKET_ALL_CLOSED', 'NODE_SOCKET_COUNT']

/**
 * `options`: with `serialization: 'advanced'`. `broken` is told once, of what no child of ours sends; nothing more is read of it then: the
 * caller ends it.
 */
export function forkWatched(program: URL, options: ForkOptions, broken: (why: string) => void): ChildProcess {
  const pipes: Pipe[] = []
  const hook = createHook({
    init(_id, type, _trigger, resource) {
      if (type === 'PIPEWRAP') pipes.push(resource as Pipe)
    },
  }).enable()
  const child = fork(program, options)
  hook.disable()
  const [pipe] = pipes
  if (pipes.length !== 1 || typeof pipe?.onread !== 'function') {
    child.kill('SIGKILL')
    throw new GatewayError(
      'INTERNAL',
      'This version of Node has another channel to processes than the one that is watched.',
    )
  }
  let over = false
  function end(why: string): void {
    if (over) return
    over = true
    broken(why)
  }

  const fits = watchLengths(MOST_MESSAGE_BYTES)
  const read = pipe.onread
  pipe.onread = function (bytes) {
    const handle = this.pendingHandle
    if (handle) {
      this.pendingHandle = null
      handle.close()
      end('a socket or file, which it has no reason to hand over')
    } else if (bytes !== undefined && !fits(new Uint8Array(bytes)))
      end(`a message of more than ${MOST_MESSAGE_BYTES} bytes`)
    if (over && bytes !== undefined) return undefined
    try {
      return Reflect.apply(read, this, [bytes])
    } catch (error) {
      end(`no message: ${messageOf(error)}`)
      return undefined
    }
  }
  const emit = child.emit
  child.emit = (event: string | symbol, ...values: unknown[]): boolean => {
    if (event !== 'internalMessage')
      return !(over && event === 'message') && Reflect.apply(emit, child, [event, ...values])
    const [said] = values as [{ cmd?: unknown } | undefined]
    if (!OF_NODE.some(known => known === said?.cmd)) end("a message that is Node's own to send")
    if (over) return false
    try {
      return Reflect.apply(emit, child, [event, ...values])
    } catch (error) {
      end(`an answer to nothing: ${messageOf(error)}`)
      return false
    }
  }
  return child
}

/** Whether all messages are short enough, as far as has been read: each has its length before it, in four bytes. */
export function watchLengths(most: number): (bytes: Uint8Array) => boolean {
  let left = 0
  let length = 0
  let read = 0
  return bytes => {
    for (let at = 0; at < bytes.length; ) {
      if (left > 0) {
        const step = Math.min(left, bytes.length - at)
        left -= step
        at += step
        continue
      }
      length = length * 256 + bytes[at++]!
      if (++read < 4) continue
      if (length > most) return false
      left = length
      length = 0
      read = 0
    }
    return true
  }
}
