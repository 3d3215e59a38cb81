/** Reads a private key in every form that `ssh` and PuTTY take, and says of the others what they are and how to convert them. */

import type { KeyObject } from 'node:crypto'
import { readOpenSsh } from './openssh.ts'
import { findPemBlock, readPem } from './pem.ts'
import { PrivateKeyError } from './private-key-error.ts'
import { isPutty, readPutty } from './putty.ts'

/**
 * `bytes` is the text of the file: OpenSSH's form with any of its ciphers, PEM (PKCS #8, PKCS #1, SEC 1; encrypted or not) or PuTTY's form
 * (versions 2 and 3), of an Ed25519, ECDSA or RSA key; text before and behind the key is passed over. Resolves to a key that
 * signs. Throws PrivateKeyError for everything else, with words for the person who has the file.
 */
export async function readPrivateKey(bytes: Buffer, passphrase?: Buffer): Promise<KeyObject> {
  const text = withoutByteOrderMark(bytes).toString('latin1')
  if (isPutty(text)) return readPutty(text, passphrase)
  const block = findPemBlock(text)
  if (block === undefined) throw new PrivateKeyError(whatItIs(text))
  return block.label === 'OPENSSH' ? readOpenSsh(block.bytes, passphrase) : readPem(block, passphrase)
}

const BINARY =
  'This is a binary file (DER or PKCS #12); convert it: openssl pkey -inform DER -in FILE -out NEW-FILE, or openssl pkcs12 -in FILE -nocerts -nodes -out NEW-FILE'

/** How each form that is not read begins, or what is in it, and what to do with it. */
const OTHERS: readonly [pattern: RegExp, words: string][] = [
  [
    /^---- BEGIN SSH2 (?:ENCRYPTED )?PRIVATE KEY ----/m,
    "This is a private key in ssh.com's form; convert it: ssh-keygen -i -f FILE > NEW-FILE (one with a passphrase: puttygen FILE -O private-openssh -o NEW-FILE)",
  ],
  [
    /^SSH PRIVATE KEY FILE FORMAT/m,
    'This is a private key for version 1 of SSH, which is not used any more; make an Ed25519 key: ssh-keygen -t ed25519',
  ],
  [
    /^-----BEGIN PGP /m,
    'This is an OpenPGP key, which cannot log in to an SSH host as it is; make an Ed25519 key: ssh-keygen -t ed25519',
  ],
  [/"kty"\s*:/, 'This is a JSON Web Key; convert it to PEM (PKCS #8), or make an Ed25519 key: ssh-keygen -t ed25519'],
  [
    /^-----BEGIN CERTIFICATE|-cert-v01@openssh\.com /m,
    'This is a certificate; the private key that belongs to it is needed.',
  ],
  [
    /^(?:-----BEGIN (?:[A-Z]+ )?PUBLIC KEY-----|---- BEGIN SSH2 PUBLIC KEY ----|(?:ssh|ecdsa|sk)-\S+ AAAA)/m,
    'This is a public key; the private key is needed, the file without .pub in its name.',
  ],
  [
    /^-----BEGIN [A-Z0-9 ]*PRIVATE KEY/m,
    'The private key is damaged: its first line is not whole. Copy the whole file again.',
  ],
]

const UTF_16 =
  'This text is in UTF-16, as PowerShell writes it, which ssh does not read either; convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW-FILE'

function whatItIs(text: string): string {
  // The command line sends text: there the two bytes of its mark have become replacement characters.
  if (/^(?:\xff\xfe|\xfe\xff|(?:\xef\xbf\xbd){2}(?:-\0|\0-))/.test(text)) return UTF_16
  if (text.includes('\0')) return BINARY
  const known = OTHERS.find(([pattern]) => pattern.test(text))
  return (
    known?.[1] ??
    'This is not a private key: OpenSSH and PEM forms begin with "-----BEGIN … PRIVATE KEY-----", PuTTY\'s with "PuTTY-User-Key-File-".'
  )
}

function withoutByteOrderMark(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes
}
