/** Makes what may become an account's credential: a password by its policy's rule, a private key of the kind that is in force. */

import { generateKeyPair, type KeyObject, randomInt } from 'node:crypto'
import { promisify } from 'node:util'
import { GatewayError } from '../shared/errors.ts'
import { erasableBytes, Secret } from '../shared/secret.ts'
import type { CredentialMaterial } from '../vault/lease.ts'
import { charactersOf, type PasswordRule, whyNoPassword } from './policies/password-rule.ts'

/** A class of which one character is left is missing from most passwords that are drawn. */
const MOST_DRAWS = 100_000

/** As the current one is: a password, or a key of the same kind. Throws `BAD_REQUEST` where no password fits the rule. */
export async function makeCandidate(current: CredentialMaterial, rule: PasswordRule): Promise<CredentialMaterial> {
  switch (current.kind) {
    case 'password':
      return { ...current, password: makePassword(rule) }
    case 'private-key': {
      const { publicKey, passphrase: _, ...rest } = current
      return { ...rest, privateKey: await makePrivateKey(publicKey) }
    }
  }
}

/**
 * Each password that fits the rule is as likely as each other: whole ones are drawn until one has all the classes. (To place one of each
 * class first would favour some.) Throws `BAD_REQUEST` where none fits.
 */
export function makePassword(rule: PasswordRule): Secret {
  const why = whyNoPassword(rule)
  if (why !== undefined) throw new GatewayError('BAD_REQUEST', `No password fits the rule: ${why}.`)
  const classes = classesOf(rule)
  const alphabet = Buffer.from(classes.map(({ characters }) => characters).join(''), 'latin1')
  const bytes = erasableBytes(rule.length)
  try {
    for (let draw = 0; draw < MOST_DRAWS; draw++) {
      for (let index = 0; index < bytes.length; index++) bytes[index] = alphabet[randomInt(alphabet.length)]!
      if (classes.every(({ codes }) => bytes.some(byte => codes.has(byte)))) return new Secret(bytes)
    }
  } finally {
    bytes.fill(0)
  }
  throw new GatewayError('BAD_REQUEST', 'No password was found that fits the rule: it forbids too many characters.')
}

function classesOf(rule: PasswordRule) {
  return [...new Set(rule.classes)].map(name => {
    const characters = charactersOf(rule, name).join('')
    return { characters, codes: new Set(Buffer.from(characters, 'latin1')) }
  })
}

const RSA_BITS = 3072
const CURVES: Readonly<Record<string, string>> = {
  'ecdsa-sha2-nistp256': 'P-256',
  'ecdsa-sha2-nistp384': 'P-384',
  'ecdsa-sha2-nistp521': 'P-521',
}

/** As a PKCS #8 file has it. `like`: the public half of the one that is replaced (RFC 4253 §6.6). */
function makePrivateKey(like: Buffer | undefined): Promise<Secret> {
  return makePrivateKeyOf(like === undefined ? 'ssh-ed25519' : typeOf(like))
}

/** `type`: as SSH names it (`ssh-ed25519`); of what it does not know comes Ed25519. As a PKCS #8 file has it. */
export async function makePrivateKeyOf(type: string): Promise<Secret> {
  const key = await generate(type)
  return new Secret(key.export({ type: 'pkcs8', format: 'pem' }) as string)
}

async function generate(type: string): Promise<KeyObject> {
  const make = promisify(generateKeyPair)
  const curve = CURVES[type]
  if (curve !== undefined) return (await make('ec', { namedCurve: curve })).privateKey
  // Targets that know no Ed25519 are old enough to have an RSA key.
  if (type === 'ssh-rsa') return (await make('rsa', { modulusLength: RSA_BITS })).privateKey
  return (await make('ed25519')).privateKey
}

function typeOf(publicBlob: Buffer): string {
  return publicBlob.subarray(4, 4 + publicBlob.readUInt32BE(0)).toString('latin1')
}
