/** Certificates for tests: a CA, a server certificate for localhost, and client certificates, made with openssl. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './child.ts'

export interface TestCertificates {
  readonly caFile: string
  /** The server's, for `localhost` and 127.0.0.1. */
  readonly certificateFile: string
  readonly keyFile: string
  /** A client certificate whose common name is `name`. */
  forClient(name: string): Promise<{ certificateFile: string; keyFile: string }>
}

const EC_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** Makes a CA and a server certificate in `folder` (created if it is not there). They are good for two days. */
export async function makeCertificates(folder: string): Promise<TestCertificates> {
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const path = (name: string) => join(folder, name)
  const caFile = path('ca.crt')
  await run('openssl', [
    ...['req', '-x509', ...EC_KEY, '-days', '2', '-subj', '/CN=Sallyport test CA'],
    ...['-addext', 'keyUsage=critical,keyCertSign', '-keyout', path('ca.key'), '-out', caFile],
  ])
  const issue = async (base: string, subject: string, extensions: string) => {
    const files = { certificateFile: path(`${base}.crt`), keyFile: path(`${base}.key`) }
    await run('openssl', [
      'req',
      '-new',
      ...EC_KEY,
      '-subj',
      subject,
      '-keyout',
      files.keyFile,
      '-out',
      path(`${base}.csr`),
    ])
    writeFileSync(path(`${base}.ext`), extensions)
    await run('openssl', [
      ...['x509', '-req', '-in', path(`${base}.csr`), '-CA', caFile, '-CAkey', path('ca.key'), '-CAcreateserial'],
      ...['-days', '2', '-extfile', path(`${base}.ext`), '-out', files.certificateFile],
    ])
    return files
  }
  const server = await issue(
    'server',
    '/CN=localhost',
    'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n',
  )
  return {
    caFile,
    ...server,
    forClient: name =>
      issue(`client-${name}`, `/CN=${name}`, 'extendedKeyUsage=clientAuth\nbasicConstraints=CA:FALSE\n'),
  }
}
