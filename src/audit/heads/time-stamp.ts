/** RFC 3161: asks for a time stamp over a hash of the audit chain, and checks what a time-stamp authority answers. */

import { constants, createHash, randomBytes, verify, X509Certificate } from 'node:crypto'
import { ContentInfo, id_signedData, SignedData, type SignerInfo } from '@peculiar/asn1-cms'
import { AsnConvert, AsnProp, AsnPropTypes, AsnType, AsnTypeTypes, OctetString } from '@peculiar/asn1-schema'
import { id_ct_tstInfo, MessageImprint, TimeStampReq, TimeStampResp, TSTInfo } from '@peculiar/asn1-tsp'
import { AlgorithmIdentifier, Certificate } from '@peculiar/asn1-x509'

const SHA256 = '2.16.840.1.101.3.4.2.1'
const DIGESTS: Readonly<Record<string, string>> = {
  '1.3.14.3.2.26': 'sha1',
  [SHA256]: 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
}
const RSA_PSS = '1.2.840.113549.1.1.10'
const CONTENT_TYPE = '1.2.840.113549.1.9.3'
const MESSAGE_DIGEST = '1.2.840.113549.1.9.4'
/** RFC 2634 §5.4 and RFC 5035 §3: which certificate signed. */
const SIGNING_CERTIFICATE = '1.2.840.113549.1.9.16.2.12'
const SIGNING_CERTIFICATE_V2 = '1.2.840.113549.1.9.16.2.47'
const EXTENDED_KEY_USAGE = '2.5.29.37'
const TIME_STAMPING = '1.3.6.1.5.5.7.3.8'
const LONGEST_CHAIN = 8

/** ESSCertID and ESSCertIDv2: they differ in the first field, which is optional. */
class CertificateId {
  hashAlgorithm: AlgorithmIdentifier | undefined = undefined
  certHash = new OctetString()
  issuerSerial: ArrayBuffer | undefined = undefined
}
AsnType({ type: AsnTypeTypes.Sequence })(CertificateId)
AsnProp({ type: AlgorithmIdentifier, optional: true })(CertificateId.prototype, 'hashAlgorithm')
AsnProp({ type: OctetString })(CertificateId.prototype, 'certHash')
AsnProp({ type: AsnPropTypes.Any, optional: true })(CertificateId.prototype, 'issuerSerial')

class SigningCertificate {
  certs: CertificateId[] = []
  policies: ArrayBuffer | undefined = undefined
}
AsnType({ type: AsnTypeTypes.Sequence })(SigningCertificate)
AsnProp({ type: CertificateId, repeated: 'sequence' })(SigningCertificate.prototype, 'certs')
AsnProp({ type: AsnPropTypes.Any, optional: true })(SigningCertificate.prototype, 'policies')

/** What a good token says. */
export interface TimeStamp {
  readonly time: Date
  /** The subject of the authority's certificate. */
  readonly authority: string
}

/** A request for the time of this SHA-256 hash, with a nonce that the answer must have. */
export function encodeTimeStampRequest(hash: Buffer): { request: Buffer; nonce: Buffer } {
  const nonce = randomBytes(8)
  // Positive, and as short as DER wants it.
  nonce[0] = (nonce[0]! & 0x3f) | 0x40
  const request = new TimeStampReq({
    messageImprint: new MessageImprint({
      hashAlgorithm: new AlgorithmIdentifier({ algorithm: SHA256, parameters: null }),
      hashedMessage: new OctetString(hash),
    }),
    nonce: arrayOf(nonce),
    certReq: true,
  })
  return { request: Buffer.from(AsnConvert.serialize(request)), nonce }
}

/** The token (DER) of an authority's answer. Throws an Error that says why there is none. */
export function tokenOfResponse(response: Buffer): Buffer {
  const parsed = parse(response, TimeStampResp, 'the answer is not a TimeStampResp')
  const { status, statusString } = parsed.status
  // granted, grantedWithMods
  if (status > 1)
    throw new Error(`the authority refused: ${[...(statusString ?? [])].join('; ') || `status ${status}`}`)
  if (parsed.timeStampToken === undefined) throw new Error('the answer has no time-stamp token')
  return Buffer.from(AsnConvert.serialize(parsed.timeStampToken))
}

/**
 * Checks a token: that it is over this hash, has this nonce (where it is known), and is signed by a certificate for time stamping that leads to
 * one of `trusted` (PEM, one or more certificates). Throws an Error that says what is wrong.
 */
export function verifyTimeStamp(
  token: Buffer,
  { hash, nonce, trusted }: { hash: Buffer; nonce?: Buffer; trusted: string },
): TimeStamp {
  const { contentType, content } = parse(token, ContentInfo, 'it is not a time-stamp token')
  if (contentType !== id_signedData) throw new Error('it is not a time-stamp token')
  const signed = parse(Buffer.from(content), SignedData, 'it is not a time-stamp token')
  const inner = signed.encapContentInfo.eContent?.single?.buffer
  if (signed.encapContentInfo.eContentType !== id_ct_tstInfo || inner === undefined) {
    throw new Error('it is not a time-stamp token')
  }
  const info = parse(Buffer.from(inner), TSTInfo, 'its content is not a TSTInfo')
  const { hashAlgorithm, hashedMessage } = info.messageImprint
  if (hashAlgorithm.algorithm !== SHA256 || !Buffer.from(hashedMessage.buffer).equals(hash)) {
    throw new Error('it is of another hash')
  }
  if (nonce !== undefined && (info.nonce === undefined || !Buffer.from(info.nonce).equals(nonce))) {
    throw new Error('it answers another request')
  }
  const [signer, second] = signed.signerInfos
  if (signer === undefined || second !== undefined) throw new Error('it does not have exactly one signature')
  const certificates = [...(signed.certificates ?? [])].flatMap(({ certificate }) =>
    certificate === undefined ? [] : [Buffer.from(AsnConvert.serialize(certificate))],
  )
  const leaf = checkSignature(signer, Buffer.from(inner), certificates)
  checkPurpose(leaf)
  checkChain(leaf, certificates, trusted, info.genTime)
  return { time: info.genTime, authority: leaf.subject.replaceAll('\n', ', ') }
}

/** RFC 5652 §5.4: the signature is over the attributes, which have the hash of the content and of the signer's certificate. */
function checkSignature(signer: SignerInfo, content: Buffer, certificates: readonly Buffer[]): X509Certificate {
  const digest = DIGESTS[signer.digestAlgorithm.algorithm]
  const { signedAttrs } = signer
  if (digest === undefined || digest === 'sha1' || signedAttrs === undefined)
    throw new Error('its signature is of a form unknown here')
  const attribute = (type: string) => {
    const values = signedAttrs.find(({ attrType }) => attrType === type)?.attrValues
    return values?.length === 1 ? Buffer.from(values[0]!) : undefined
  }
  const type = attribute(CONTENT_TYPE)
  if (type === undefined || !type.equals(Buffer.from('060b2a864886f70d0109100104', 'hex'))) {
    throw new Error('its signature is of another kind of content')
  }
  const noted = attribute(MESSAGE_DIGEST)
  const expected = createHash(digest).update(content).digest()
  if (
    noted === undefined ||
    !Buffer.from(parse(noted, OctetString, 'its digest cannot be read').buffer).equals(expected)
  ) {
    throw new Error('its content was altered')
  }
  const v2 = attribute(SIGNING_CERTIFICATE_V2)
  const named = v2 ?? attribute(SIGNING_CERTIFICATE)
  if (named === undefined) throw new Error('it does not say which certificate signed it')
  const id = parse(named, SigningCertificate, 'the name of its certificate cannot be read').certs[0]
  const idDigest = v2 === undefined ? 'sha1' : DIGESTS[id?.hashAlgorithm?.algorithm ?? SHA256]
  if (id === undefined || idDigest === undefined) throw new Error('the name of its certificate cannot be read')
  const certHash = Buffer.from(id.certHash.buffer)
  const der = certificates.find(certificate => createHash(idDigest).update(certificate).digest().equals(certHash))
  if (der === undefined) throw new Error('the certificate that signed it is not in it')
  const leaf = new X509Certificate(der)
  const attributes = setOf(signedAttrs.map(each => Buffer.from(AsnConvert.serialize(each))))
  const key = leaf.publicKey
  const algorithm = key.asymmetricKeyType?.startsWith('ed') ? null : digest
  const pss = signer.signatureAlgorithm.algorithm === RSA_PSS
  const padding = pss ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO } : {}
  if (!verify(algorithm, attributes, { key, ...padding }, Buffer.from(signer.signature.buffer))) {
    throw new Error('its signature is wrong')
  }
  return leaf
}

/** DER of a SET OF (X.690 §11.6): that is signed, whatever way it is written in the token. */
function setOf(elements: readonly Buffer[]): Buffer {
  const content = Buffer.concat(elements.toSorted(Buffer.compare))
  const { length } = content
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([0x31, ...head]), content])
}

/** RFC 3161 §2.3: for time stamping alone, and critical. */
function checkPurpose(leaf: X509Certificate): void {
  const { tbsCertificate } = parse(leaf.raw, Certificate, 'its certificate cannot be read')
  const usage = tbsCertificate.extensions?.find(({ extnID }) => extnID === EXTENDED_KEY_USAGE)
  if (usage?.critical !== true || leaf.keyUsage?.length !== 1 || leaf.keyUsage[0] !== TIME_STAMPING) {
    throw new Error('its certificate is not one for time stamping')
  }
}

function checkChain(leaf: X509Certificate, others: readonly Buffer[], trusted: string, at: Date): void {
  const anchors = (trusted.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []).map(
    pem => new X509Certificate(pem),
  )
  const between = others.map(der => new X509Certificate(der))
  const issued = (certificate: X509Certificate) => (issuer: X509Certificate) =>
    issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
  let certificate = leaf
  for (let length = 0; length < LONGEST_CHAIN; length++) {
    if (at < new Date(certificate.validFrom) || at > new Date(certificate.validTo)) {
      throw new Error(`its certificate was not valid then: ${certificate.subject.replaceAll('\n', ', ')}`)
    }
    if (anchors.some(anchor => anchor.raw.equals(certificate.raw) || issued(certificate)(anchor))) return
    const issuer = between.find(issued(certificate))
    if (issuer === undefined || issuer.raw.equals(certificate.raw)) break
    certificate = issuer
  }
  throw new Error('its certificate does not lead to one that is trusted')
}

function parse<T>(der: Buffer, type: new () => T, otherwise: string): T {
  try {
    return AsnConvert.parse(arrayOf(der), type)
  } catch (cause) {
    throw new Error(otherwise, { cause })
  }
}

function arrayOf(bytes: Buffer): ArrayBuffer {
  return new Uint8Array(bytes).buffer
}
