/** A self-signed certificate for the gateway's TLS ports, for where no other is given. */

import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'

const TEN_YEARS_MS = 3652 * 86_400_000
const A_DAY_MS = 86_400_000
const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

export interface TlsCertificate {
  /** PEM: the private key, and the certificate, with its issuers where they follow. */
  readonly key: string
  readonly cert: string
}

/**
 * ECDSA P-256, valid for ten years from a day before `now` (clocks differ), for `names`: host names and IP addresses. It is its own
 * CA (RFC 5280 §4.2.1.9), so that `sslrootcert` and `--ca` take it as it is.
 */
export async function generateTlsCertificate(names: readonly string[], now: number): Promise<TlsCertificate> {
  const keys = (await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  const certificate = await X509CertificateGenerator.createSelfSigned({
    ...validFrom(now),
    name: 'CN=Sallyport gateway',
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      ...forServer(names),
    ],
  })
  return { key: pem(PemConverter.encode(pkcs8, 'PRIVATE KEY')), cert: pem(certificate.toString('pem')) }
}

/**
 * A server's certificate of the same key, for the names of `own` and for `names`, signed by `own` and followed by it. Whoever
 * trusts `own` trusts it too; and there are clients (rustls) that take no CA's certificate for a server's.
 */
export async function issueFrom(own: TlsCertificate, names: readonly string[], now: number): Promise<TlsCertificate> {
  const issuer = new X509Certificate(own.cert)
  const signingKey = await webcrypto.subtle.importKey('pkcs8', PemConverter.decodeFirst(own.key), P256, true, ['sign'])
  const before = issuer.getExtension(SubjectAlternativeNameExtension)?.names.items.map(({ value }) => value) ?? []
  const certificate = await X509CertificateGenerator.create({
    ...validFrom(now),
    subject: 'CN=Sallyport gateway server',
    issuer: issuer.subject,
    publicKey: issuer.publicKey,
    signingKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      await SubjectKeyIdentifierExtension.create(issuer.publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ...forServer([...new Set([...before, ...names])]),
    ],
  })
  return { key: own.key, cert: pem(certificate.toString('pem')) + own.cert }
}

function validFrom(now: number) {
  return { notBefore: new Date(now - A_DAY_MS), notAfter: new Date(now + TEN_YEARS_MS), signingAlgorithm: P256 }
}

function forServer(names: readonly string[]) {
  return [
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    new SubjectAlternativeNameExtension(names.map(value => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }))),
  ]
}

/** With a line end, so that one can follow another. */
function pem(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`
}
