/** Alice, who writes her own SSH client, and a gateway in front of a real sshd where her key opens the way. */

import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { MESSAGE } from '../../src/protocols/ssh/transport/messages.ts'
import { blobOf, connectRaw, publicKeyRequest, type RawClient } from './raw-ssh-client.ts'
import { keyMaterial, type SshListenerParts, startSshListener } from './start-ssh-listener.ts'
import type { startSshd } from './start-sshd.ts'

export const LOGIN = 'alice+root+box'
export const alice = generateKeyPairSync('ed25519')

type Sshd = Awaited<ReturnType<typeof startSshd>>
type Gateway = Awaited<ReturnType<typeof startSshListener>>

/** Closed when the test file ends. */
export async function startGatewayFor(sshd: Sshd, parts: Partial<SshListenerParts> = {}): Promise<Gateway> {
  const gateway = await startSshListener({
    target: sshd,
    account: sshd.account,
    material: keyMaterial(sshd.privateKey),
    publicKey: `ssh-ed25519 ${blobOf(alice).toString('base64')}`,
    ...parts,
  })
  t.teardown(() => gateway.close())
  return gateway
}

export async function logIn(gateway: Gateway): Promise<RawClient> {
  const client = await connectRaw(gateway)
  client.transport.send(publicKeyRequest(client, LOGIN, alice))
  await client.next(MESSAGE.USERAUTH_SUCCESS)
  return client
}
