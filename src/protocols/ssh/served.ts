/** SSH as the gateway loads it. */

import type { HandlerParts, ServedProtocol } from '../../session/served-protocol.ts'
import { systemClock } from '../../shared/clock.ts'
import { createSshConnectionHandler } from './client-side/connection-handler.ts'
import { keySignedFor } from './client-side/key-proof.ts'
import type { SshSettings } from './facts/settings.ts'
import { connectHop } from './hops/connect-hop.ts'
import { findInside } from './jump/find-inside.ts'
import { createSshProtocol } from './protocol.ts'
import { remainsAtHost } from './rotation/remains.ts'
import { sshAuthorizedKeys } from './rotation/ssh-authorized-keys.ts'
import { sshPassword } from './rotation/ssh-password.ts'
import { proveSshTarget } from './target-side/prove-target.ts'
import { scanHostKeys } from './target-side/scan.ts'
import { connectTarget } from './target-side/upstream.ts'
import { generateKeyPair } from './transport/generate-key-pair.ts'
import { nativeCryptography } from './transport/ssh2-internals.ts'
import { NO_REKEYING } from './transport/transport.ts'

async function createHandler(parts: HandlerParts) {
  const { dialerFor, execOutputLimitBytes, ownKeys, refused, clock, log } = parts
  const limits = parts.settings as SshSettings
  // ssh2 falls back without a word.
  if (!nativeCryptography)
    log.warn("ssh2's native binding is missing: SSH costs three times the CPU; repair it with scripts/bring")
  return createSshConnectionHandler({
    ...parts,
    hostKeys: Object.values(ownKeys).map(key => key.secret),
    limits,
    converse: limits.selfService ? parts.converse : undefined,
    protocol: createSshProtocol({ limits, execOutputLimitBytes, dialerFor, clock }),
    refusedConnection: ({ address }, code, why, session) => refused({ source: address, code, why, session }),
  })
}

export default {
  ownKeys: {
    'ssh-host-ed25519': async () => generateKeyPair('ed25519'),
    'ssh-host-ecdsa': async () => generateKeyPair('ecdsa'),
  },
  keySignedFor,
  findInside,
  createHandler,
  prove: proveSshTarget,
  logIn: (login, signal) => connectTarget(login, NO_REKEYING, systemClock, signal),
  remains: remainsAtHost,
  scanHostKeys,
  connectHop,
  connectors: [sshPassword, sshAuthorizedKeys],
} satisfies ServedProtocol
