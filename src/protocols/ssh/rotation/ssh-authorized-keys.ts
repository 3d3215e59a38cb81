/** The key pair of an account: the new public key is put into authorized_keys beside the old one, which is taken out once the new one is in force. */

import type { ChangeResult, Connector, CredentialChange } from '../../../session/connector.ts'
import { PrivateKeyError } from '../../../shared/private-key/private-key-error.ts'
import { WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { withoutSecrets } from '../../../shared/text/without-secrets.ts'
import { loginOf } from '../../../targets/target.ts'
import type { CredentialMaterial } from '../../../vault/lease.ts'
import type { OwnChannels } from '../target-side/own-channels.ts'
import { readSigningKey } from '../target-side/private-key.ts'
import { signatureAlgorithms } from '../transport/algorithms.ts'
import { holdsKey, withKey, withoutKey } from './authorized-keys.ts'
import { KeysBySftp } from './keys-by-sftp.ts'
import { KeysByShell } from './keys-by-shell.ts'
import type { KeysFiles, Written } from './keys-files.ts'
import { copyOf, logIn, verifyLogin } from './log-in.ts'

const CHANGE_MS = 60_000

export const sshAuthorizedKeys: Connector = {
  name: 'ssh-authorized-keys',
  kinds: ['private-key'],
  verify: verifyLogin,
  change: (change, signal) => atTarget(change, change.current, signal, addKey),
  finish: (change, signal) => atTarget(change, change.candidate, signal, takeOldKeyOut),
}

/** The public halves: of what is to be in force, and of what was. */
interface Keys {
  readonly candidate: Buffer
  readonly current: Buffer | undefined
  readonly comment: string
}

type Work = (files: KeysFiles, keys: Keys) => Promise<ChangeResult>

async function atTarget(
  { target, account, dial, current, candidate, as, opened }: CredentialChange,
  own: CredentialMaterial | undefined,
  signal: AbortSignal,
  work: Work,
): Promise<ChangeResult> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(CHANGE_MS)])
  const newKey = await publicKeyOf(candidate)
  if (newKey === undefined) return notChanged('ssh-authorized-keys changes key pairs, and this is none')
  const by = as ?? (own === undefined ? undefined : { account, material: own })
  if (by === undefined)
    return notChanged('no key of the account is known to work, and no other account may change it (reconcile)')
  const keys = { candidate: newKey, current: await publicKeyOf(current), comment: `${account.name}@${target.name}` }
  const host = await logIn({ target, ...by, dialer: dial(), opened }, bounded)
  if ('result' in host) {
    // Once more after it was done, and the old one is gone.
    const works =
      as === undefined &&
      own !== candidate &&
      host.result === 'refused' &&
      (await verifyLogin({ target, account, material: candidate, dialer: dial(), opened }, bounded)).result === 'works'
    return works ? { result: 'changed' } : notChanged(`${loginOf(by.account)} cannot log in: ${host.words}`)
  }
  try {
    const other = loginOf(by.account) === loginOf(account) ? undefined : loginOf(account)
    const files = await openFiles(host, other, bounded)
    return 'words' in files ? notChanged(files.words) : await work(files, keys)
  } finally {
    host.close()
  }
}

/** By a shell, which can keep all that a file has; without one by SFTP, which works for the account itself alone. */
async function openFiles(
  host: OwnChannels,
  other: string | undefined,
  signal: AbortSignal,
): Promise<KeysFiles | { readonly words: string }> {
  try {
    const byShell = await KeysByShell.open(host, other, signal)
    if (byShell instanceof KeysByShell || other !== undefined) return byShell
    const bySftp = await KeysBySftp.open(host, signal)
    return bySftp instanceof KeysBySftp ? bySftp : { words: `${byShell.words}. ${bySftp.words}` }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return {
      words: signal.aborted
        ? 'it took too long, or was given up'
        : `the target opens no session: ${withoutSecrets(error.message, [])}`,
    }
  }
}

/** Beside the old key, with what its line allows. */
async function addKey(files: KeysFiles, { candidate, current, comment }: Keys): Promise<ChangeResult> {
  const type = new WireReader(candidate).utf8()
  if (!isAccepted(type, files.accepted))
    return notChanged(`the target takes no ${type} keys: its sshd_config lists others (PubkeyAcceptedAlgorithms)`)
  const unfit: string[] = []
  for (const path of files.paths) {
    const file = await files.read(path)
    if (file.kind === 'unfit') unfit.push(file.words)
    const bytes = file.kind === 'file' ? file.bytes : Buffer.alloc(0)
    if (holdsKey(bytes, candidate)) return { result: 'changed' }
    if (file.kind === 'unfit' || (current !== undefined && !holdsKey(bytes, current))) continue
    const changed = withKey(bytes, { blob: candidate, comment, like: current })
    return resultOf(await files.write(path, file.kind === 'file' ? file.seen : undefined, changed))
  }
  if (unfit.length > 0) return notChanged(unfit.join('. '))
  const places = files.paths.join(', ')
  return notChanged(
    `the key in force stands in none of ${places}: it is let in by something else, which rotation cannot change`,
  )
}

/** In every file that there is, and not before the new one stands in one. */
async function takeOldKeyOut(files: KeysFiles, { candidate, current }: Keys): Promise<ChangeResult> {
  if (current === undefined || current.equals(candidate)) return { result: 'changed' }
  const all: { path: string; bytes: Buffer; seen: string }[] = []
  const unfit: string[] = []
  for (const path of files.paths) {
    const file = await files.read(path)
    if (file.kind === 'file') all.push({ path, ...file })
    else if (file.kind === 'unfit') unfit.push(file.words)
  }
  if (!all.some(({ bytes }) => holdsKey(bytes, candidate)))
    return notChanged(unfit.length > 0 ? unfit.join('. ') : 'the new key stands in no file: the old one stays')
  for (const { path, bytes, seen } of all.filter(({ bytes }) => holdsKey(bytes, current))) {
    const written = resultOf(await files.write(path, seen, withoutKey(bytes, current)))
    if (written.result !== 'changed') return written
  }
  return unfit.length === 0 ? { result: 'changed' } : notChanged(unfit.join('. '))
}

function resultOf(written: Written): ChangeResult {
  switch (written.kind) {
    case 'written':
      return { result: 'changed' }
    case 'not-written':
      return notChanged(written.words)
    case 'uncertain':
      return { result: 'uncertain', words: written.words }
  }
}

/** `list` as in sshd_config: names and patterns. */
function isAccepted(type: string, list: string | undefined): boolean {
  if (list === undefined) return true
  const patterns = list.split(',').map(
    pattern =>
      new RegExp(
        `^${pattern
          .replace(/[.+^$()|[\]{}\\]/g, '\\$&')
          .replaceAll('*', '.*')
          .replaceAll('?', '.')}$`,
        'i',
      ),
  )
  return signatureAlgorithms(type).some(name => patterns.some(pattern => pattern.test(name)))
}

/** Undefined where it is no key pair, or one that cannot be read. */
async function publicKeyOf(material: CredentialMaterial | undefined): Promise<Buffer | undefined> {
  if (material?.kind !== 'private-key') return undefined
  if (material.publicKey !== undefined) return material.publicKey
  const copy = copyOf(material)
  try {
    return (await readSigningKey(copy)).blob
  } catch (error) {
    if (error instanceof PrivateKeyError) return undefined
    throw error
  } finally {
    copy.privateKey.erase()
  }
}

function notChanged(words: string) {
  return { result: 'not-changed', words } as const
}
