/** What the messages of the connection protocol look like, field by field: what has another shape never passes to the other side. */

import { WireError, type WireReader } from '../../../shared/ssh-encoding/wire.ts'

/** `text` is a string that the other side reads as one, so that a NUL in it may end it there; `bytes` is any string. */
type Field = 'text' | 'bytes' | 'uint32' | 'port' | 'boolean'
export type Shape = readonly Field[]

const NOTHING: Shape = []
const MAX_PORT = 65_535

/** What follows the packet size of CHANNEL_OPEN (RFC 4254 §6.1, §6.3.2, §7.2, OpenSSH's PROTOCOL §2.3 and §2.4). */
export const OPEN_SHAPES: ReadonlyMap<string, Shape> = new Map<string, Shape>([
  ['session', NOTHING],
  ['direct-tcpip', ['text', 'port', 'text', 'uint32']],
  ['forwarded-tcpip', ['text', 'port', 'text', 'uint32']],
  ['direct-streamlocal@openssh.com', ['text', 'text', 'uint32']],
  ['forwarded-streamlocal@openssh.com', ['text', 'text']],
  ['auth-agent@openssh.com', NOTHING],
  ['x11', ['text', 'uint32']],
])

/** What follows the wish for a reply of CHANNEL_REQUEST (RFC 4254 §6, RFC 4335 §3, OpenSSH's PROTOCOL §2.1). */
export const REQUEST_SHAPES: ReadonlyMap<string, Shape> = new Map<string, Shape>([
  ['pty-req', ['text', 'uint32', 'uint32', 'uint32', 'uint32', 'bytes']],
  ['x11-req', ['boolean', 'text', 'text', 'uint32']],
  ['auth-agent-req@openssh.com', NOTHING],
  ['env', ['text', 'text']],
  ['shell', NOTHING],
  ['exec', ['text']],
  ['subsystem', ['text']],
  ['window-change', ['uint32', 'uint32', 'uint32', 'uint32']],
  ['xon-xoff', ['boolean']],
  ['signal', ['text']],
  ['break', ['uint32']],
  ['exit-status', ['uint32']],
  ['exit-signal', ['text', 'boolean', 'text', 'text']],
  ['eow@openssh.com', NOTHING],
  ['keepalive@openssh.com', NOTHING],
])

/** What follows the wish for a reply of GLOBAL_REQUEST (RFC 4254 §7.1, OpenSSH's PROTOCOL §2.2 and §2.4). */
export const GLOBAL_SHAPES: ReadonlyMap<string, Shape> = new Map<string, Shape>([
  ['keepalive@openssh.com', NOTHING],
  ['no-more-sessions@openssh.com', NOTHING],
  ['tcpip-forward', ['text', 'port']],
  ['cancel-tcpip-forward', ['text', 'port']],
  ['streamlocal-forward@openssh.com', ['text']],
  ['cancel-streamlocal-forward@openssh.com', ['text']],
])

/** CHANNEL_OPEN_FAILURE behind the recipient. */
export const FAILURE_SHAPE: Shape = ['uint32', 'text', 'text']

/**
 * Reads the rest of a message. Throws WireError where it is shorter or longer than the shape. True when no text in it can be read
 * in two ways: OpenSSH takes `sftp\0` for `sftp` and ends at any other NUL, dropbear cuts a text off there.
 */
export function readsOneWay(shape: Shape | undefined, rest: WireReader): boolean {
  if (shape === undefined) throw new WireError('a message of an unknown shape')
  let oneWay = true
  for (const field of shape) {
    if (field === 'boolean') rest.boolean()
    else if (field === 'uint32') rest.uint32()
    else if (field === 'port') {
      if (rest.uint32() > MAX_PORT) throw new WireError('a port that there is not')
    } else if (rest.string().includes(0) && field === 'text') oneWay = false
  }
  expectEnd(rest)
  return oneWay
}

export function expectEnd(rest: WireReader): void {
  if (!rest.atEnd) throw new WireError('the message is longer than it should be')
}
