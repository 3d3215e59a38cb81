/** The public key that evidence is checked with: of a file, or as the gateway that answers names it. */

import { createPublicKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { messageOf } from '../../shared/errors.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import type { Context } from '../context.ts'
import { CliError } from '../exit.ts'

/** PEM. Who names no file trusts the gateway that answers here. */
export async function publicKeyOf(file: string | undefined, context: Context): Promise<string> {
  return file === undefined ? keyOfGateway(context) : readKey(file)
}

async function keyOfGateway(context: Context): Promise<string> {
  try {
    return (await (await context.client()).get<{ publicKey: string }>('/v1/keys/signing')).publicKey
  } catch (error) {
    throw new CliError(
      EXIT.usage,
      `Without --key FILE the gateway says which key is right, and it did not: ${messageOf(error)}`,
      'Make the file once with: sallyport key public > sallyport.pub',
    )
  }
}

async function readKey(path: string): Promise<string> {
  const pem = await readFile(path, 'utf8').catch(error => {
    throw new CliError(EXIT.usage, `--key: ${path} cannot be read: ${messageOf(error)}.`)
  })
  if (isEd25519(pem)) return pem
  throw new CliError(
    EXIT.usage,
    `--key: ${path} is not an Ed25519 public key in PEM form.`,
    'Make the file once with: sallyport key public > sallyport.pub',
  )
}

function isEd25519(pem: string): boolean {
  try {
    return createPublicKey(pem).asymmetricKeyType === 'ed25519'
  } catch {
    return false
  }
}
