/** Makes the certificate that the gateway shows when it was given none: self-signed, for the names people connect to. */

import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'

// Widely understood, also by old JDBC drivers and OpenSSL 1.1; Ed25519 certificates are not.
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const VALID_MS = 10 * 365 * 24 * 3_600_000
const ALWAYS = ['localhost', '127.0.0.1', '::1']

/**
 * A new key and a certificate for `names` (host names and addresses), and always for localhost. Clients verify it with the
 * certificate itself as their root: `sslrootcert=gateway.pem sslmode=verify-full`.
 */
export async function generateCertificate(options: {
  names: readonly string[]
  /** Milliseconds since the epoch, from which it is valid (an hour earlier, for clocks that differ). */
  now?: number
}): Promise<{ keyPem: string; certificatePem: string }> {
  const { names, now = Date.now() } = options
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const alternatives = [...new Set([...names, ...ALWAYS])].map(value => ({
    type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const),
    value,
  }))
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: `01${randomBytes(15).toString('hex')}`,
      name: 'CN=Sallyport',
      notBefore: new Date(now - 3_600_000),
      notAfter: new Date(now + VALID_MS),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new SubjectAlternativeNameExtension(alternatives),
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  )
  const keyPem = PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
  return { keyPem: `${keyPem}\n`, certificatePem: `${certificate.toString('pem')}\n` }
}
