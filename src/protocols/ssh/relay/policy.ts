/** What a role's channels mean in SSH's own words: which opens, requests and global requests may pass. Everything else may not. */

import type { Channel } from '../../registered.ts'

export type Side = 'client' | 'target'

/** `undefined`: it may pass. Otherwise it is refused; `report`: whether that is audited and shown to the person. */
export interface Objection {
  readonly what: string
  readonly why: string
  readonly report: boolean
}

export interface AskedFor {
  /** What the user asked the target to open channels for, and was allowed. */
  readonly remoteForward: boolean
  readonly agent: boolean
  readonly x11: boolean
}

type Allows = (channel: Channel) => boolean

/** CHANNEL_OPEN (RFC 4254 §5.1, OpenSSH's PROTOCOL). */
export function objectToOpen(from: Side, kind: string, allows: Allows, asked: AskedFor): Objection | undefined {
  if (from === 'client') {
    switch (kind) {
      case 'session':
        return allows('shell') || allows('exec') || allows('sftp') ? undefined : notAllowed('session')
      case 'direct-tcpip':
      case 'direct-streamlocal@openssh.com':
        return allows('local-forward') ? undefined : notAllowed('local-forward')
      default:
        return unknown(`channel ${kind}`)
    }
  }
  const wanted =
    (asked.remoteForward && (kind === 'forwarded-tcpip' || kind === 'forwarded-streamlocal@openssh.com')) ||
    (asked.agent && kind === 'auth-agent@openssh.com') ||
    (asked.x11 && kind === 'x11')
  return wanted ? undefined : notAskedFor(kind)
}

export function notAskedFor(kind: string): Objection {
  return { what: kind, why: 'the target opened a channel that nobody asked for', report: true }
}

/** Variables that shape output, not what runs (`LC_*` as OpenSSH's SendEnv and AcceptEnv mean it). Their values are recorded. */
const ENVIRONMENT = /^(LANG|LANGUAGE|LC_[A-Za-z0-9_]{0,60}|TERM|COLORTERM|NO_COLOR|TZ|GIT_PROTOCOL)$/

/** CHANNEL_REQUEST on a session channel. `argument` is the subsystem's or variable's name. */
export function objectToRequest(from: Side, request: string, argument: string, allows: Allows): Objection | undefined {
  if (from === 'target') return TARGET_REQUESTS.has(request) ? undefined : unknown(`request ${request}`)
  switch (request) {
    case 'shell':
      return allows('shell') ? undefined : notAllowed('shell')
    case 'exec':
      return allows('exec') ? undefined : notAllowed('exec')
    case 'pty-req':
      return allows('shell') || allows('exec') ? undefined : notAllowed('shell')
    case 'subsystem':
      return objectToSubsystem(argument, allows)
    case 'auth-agent-req@openssh.com':
      return allows('agent') ? undefined : notAllowed('agent')
    case 'x11-req':
      return allows('x11') ? undefined : notAllowed('x11')
    case 'env':
      return ENVIRONMENT.test(argument) ? undefined : unknown(`variable ${argument}`)
    default:
      return CLIENT_REQUESTS.has(request) ? undefined : unknown(`request ${request}`)
  }
}

/** What a name may be (RFC 4250 §4.6.1). OpenSSH compares exactly, but takes `sftp\0` for `sftp`; others trim, or fold case. */
const NAME = /^[\x21-\x2b\x2d-\x7e]{1,64}$/

function objectToSubsystem(name: string, allows: Allows): Objection | undefined {
  if (!NAME.test(name)) return { what: `subsystem ${name}`, why: 'that is no name of a subsystem', report: true }
  const needed: Channel[] = name === 'sftp' ? ['sftp'] : /^sftp$/i.test(name) ? ['sftp', 'exec'] : ['exec']
  const missing = needed.find(channel => !allows(channel))
  return missing && notAllowed(missing)
}

const CLIENT_REQUESTS = new Set(['window-change', 'signal', 'break', 'xon-xoff', 'eow@openssh.com'])
const TARGET_REQUESTS = new Set(['exit-status', 'exit-signal', 'xon-xoff', 'eow@openssh.com', 'keepalive@openssh.com'])

const FORWARD_REQUESTS = new Set([
  'tcpip-forward',
  'cancel-tcpip-forward',
  'streamlocal-forward@openssh.com',
  'cancel-streamlocal-forward@openssh.com',
])

/** GLOBAL_REQUEST. The target's `hostkeys-00@openssh.com` would make clients learn its keys for ours: dropped without a word. */
export function objectToGlobalRequest(from: Side, request: string, allows: Allows): Objection | undefined {
  if (request === 'keepalive@openssh.com') return undefined
  if (from === 'target') return unknown(`request ${request}`)
  if (request === 'no-more-sessions@openssh.com') return undefined
  if (!FORWARD_REQUESTS.has(request)) return unknown(`request ${request}`)
  return allows('remote-forward') ? undefined : notAllowed('remote-forward')
}

function notAllowed(channel: string): Objection {
  return { what: channel, why: 'the role does not allow it', report: true }
}

function unknown(what: string): Objection {
  return { what, why: 'the gateway does not know it', report: false }
}
