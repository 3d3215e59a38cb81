/** The TLS files that the configuration names, read and checked. */

import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { GatewayError, messageOf } from '../shared/errors.ts'
import type { TlsCertificate } from '../shared/tls/issue-certificate.ts'

/** Throws `CONFIG_INVALID` where a file cannot be read, or the two are no certificate and its key. */
export async function readTlsCertificate(files: {
  readonly keyFile: string
  readonly certificateFile: string
}): Promise<TlsCertificate> {
  const given = { key: await readText(files.keyFile), cert: await readText(files.certificateFile) }
  try {
    createSecureContext(given)
  } catch (cause) {
    const message = `${files.certificateFile} and ${files.keyFile} are no certificate and its key in PEM form: ${messageOf(cause)}`
    throw new GatewayError('CONFIG_INVALID', message, { cause })
  }
  return given
}

/** The certificates of those who are trusted, in PEM form. Throws `CONFIG_INVALID` where the file has none. */
export async function readTrusted(path: string): Promise<string> {
  const text = await readText(path)
  const certificates = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  // One that is cut would be left out without a word.
  if (certificates.length === 0 || certificates.length !== text.split('-----BEGIN ').length - 1) {
    throw new GatewayError('CONFIG_INVALID', `${path} is not a list of certificates in PEM form.`)
  }
  for (const [index, certificate] of certificates.entries()) {
    try {
      new X509Certificate(certificate)
    } catch (cause) {
      const message = `Certificate ${index + 1} in ${path} cannot be read: ${messageOf(cause)}`
      throw new GatewayError('CONFIG_INVALID', message, { cause })
    }
  }
  return text
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(cause => {
    throw new GatewayError('CONFIG_INVALID', `${path} cannot be read: ${messageOf(cause)}`, { cause })
  })
}
