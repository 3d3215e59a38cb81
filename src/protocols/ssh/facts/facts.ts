/** What SSH says of itself. */

import type { ProtocolFacts } from '../../facts.ts'
import { sshIdentity } from './identity.ts'
import { sshSettings } from './settings.ts'
import { sshTarget } from './target.ts'

export const ssh = {
  name: 'ssh',
  title: 'ssh',
  served: new URL('../served.ts', import.meta.url),
  /** Channel kinds and requests of RFC 4254. */
  channels: ['shell', 'exec', 'sftp', 'local-forward', 'remote-forward', 'agent', 'x11'],
  usualChannels: ['shell', 'exec', 'sftp'],
  settings: sshSettings,
  showsCertificate: false,
  selfService: true,
  target: sshTarget,
  identity: sshIdentity,
  words: {
    loginRefused:
      'The login was refused. Check the login name, the password or key, and the one-time code, then try again.',
    sayWords: ticket =>
      `ssh -o SetEnv='"SALLYPORT_REASON=..."${ticket ? ' SALLYPORT_TICKET=...' : ''}' ..., or on a terminal, where you are asked`,
    knownBy: 'an SSH host is asked for its keys (target scan)',
  },
} as const satisfies ProtocolFacts
